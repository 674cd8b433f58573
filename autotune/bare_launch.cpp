#include "autotune/bare_launch.h"

namespace flashjit {

BareLaunch::BareLaunch(const Device& device, const GpuGraph& graph) : device_(device) {
  const DriverLibrary& driver = device.driver();
  std::size_t count = 0;
  driver.check(driver.graph_get_nodes(graph.get(), nullptr, &count));
  std::vector<CUgraphNode> nodes(count);
  driver.check(driver.graph_get_nodes(graph.get(), nodes.data(), &count));
  for (CUgraphNode node : nodes) {
    CUgraphNodeType type{};
    driver.check(driver.graph_node_get_type(node, &type));
    if (type != CU_GRAPH_NODE_TYPE_KERNEL) continue;
    CUDA_KERNEL_NODE_PARAMS& kernel = kernels_.emplace_back();
    driver.check(driver.graph_kernel_node_get_params(node, &kernel));
    if (kernel.func == nullptr)
      kernel.func = reinterpret_cast<CUfunction>(kernel.kern);  // cuda.h allows the cast
  }
}

void BareLaunch::operator()(CUstream stream) const {
  const DriverLibrary& driver = device_.driver();
  for (const CUDA_KERNEL_NODE_PARAMS& kernel : kernels_) {
    CUlaunchConfig config{};
    config.gridDimX = kernel.gridDimX;
    config.gridDimY = kernel.gridDimY;
    config.gridDimZ = kernel.gridDimZ;
    config.blockDimX = kernel.blockDimX;
    config.blockDimY = kernel.blockDimY;
    config.blockDimZ = kernel.blockDimZ;
    config.sharedMemBytes = kernel.sharedMemBytes;
    config.hStream = stream;
    driver.check(driver.launch_kernel_ex(&config, kernel.func, kernel.kernelParams, kernel.extra));
  }
}

}  // namespace flashjit
