// The kernels of a call, launched again without the library: the least host time that the call
// could take.
#pragma once

#include <vector>

#include "autotune/gpu_resources.h"

namespace flashjit {

// Takes function, geometry and parameters from a graph into which the call was captured; the graph
// must outlive it.
class BareLaunch {
 public:
  BareLaunch(const Device& device, const GpuGraph& graph);

  // cuLaunchKernelEx for each kernel, nothing else.
  void operator()(CUstream stream) const;
  std::size_t num_kernels() const { return kernels_.size(); }

 private:
  const Device& device_;
  std::vector<CUDA_KERNEL_NODE_PARAMS> kernels_;
};

}  // namespace flashjit
