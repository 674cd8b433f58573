// The executor of real GPUs: compiles with NVRTC, loads and launches through the Driver API.
#pragma once

#include <future>
#include <memory>
#include <string>

#include "compiler.h"
#include "device.h"
#include "launch.h"
#include "module.h"
#include "settings.h"
#include "tensor_map.h"
#include "tile_counters.h"

namespace flashjit {

class CudaExecutor final : public Executor {
 public:
  // Opens libcuda and retains the device's primary context. The build of NVRTC is part of every
  // cache key: where its file does not tell it, another thread opens NVRTC meanwhile, 10 ms that
  // hide behind the context's 130. Else it is opened by the first compile; offline never. Throws
  // Error(kNoDriver), Error(kInvalidArgument) for a device that does not exist.
  CudaExecutor(const Settings& settings, int device);
  ~CudaExecutor() override;

  Backend backend() const override { return Backend::kCuda; }
  const DeviceInfo& device() const override { return device_->info(); }
  std::string compiler_build() const override;
  Binary compile(const VariantSource& source, const KernelSources& sources) const override;
  std::unique_ptr<LoadedKernel> load(const KernelConfig& config,
                                     std::span<const std::byte> code) const override;
  void launch(const LoadedKernel& kernel,
              const KernelConfig& config,
              const AttentionArgs& args,
              const ProblemShape& shape,
              Stream stream) const override;
  bool is_capturing(Stream stream) const override;
  void check_pointers(const AttentionArgs& args) const override;

  const std::shared_ptr<const Device>& cuda_device() const { return device_; }
  // For who measures: no graph is left that captured one of these launches.
  void forget_captures() const { tile_counters_.forget_captures(); }

 private:
  void launch_sm90(CUfunction function,
                   const KernelConfig& config,
                   const AttentionArgs& args,
                   const ProblemShape& shape,
                   const LaunchGeometry& geometry,
                   CUstream stream) const;
  // is_capturing() with the device's context current.
  bool query_capture(CUstream stream) const;

  std::optional<NvrtcFile> nvrtc_file_;
  // Throws on every get() when NVRTC cannot be opened.
  std::shared_future<std::shared_ptr<const Compiler>> compiler_;
  std::shared_ptr<const Device> device_;
  TileCounters tile_counters_;
  TensorMapMemo tensor_maps_;
};

// A variant's module; `inspect` reads its occupancy.
class CudaKernel final : public LoadedKernel {
 public:
  CudaKernel(std::shared_ptr<const Device> device,
             const KernelConfig& config,
             std::span<const std::byte> cubin);

  // Registers, stack and shared memory as the driver tells them; it does not know of spills.
  ResourceUse resources() const override { return resources_; }
  const Module& module() const { return module_; }

 private:
  Module module_;
  ResourceUse resources_;
};

}  // namespace flashjit
