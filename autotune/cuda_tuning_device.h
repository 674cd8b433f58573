// A TuningDevice on a real GPU.
#pragma once

#include <memory>

#include "autotune/measure.h"
#include "autotune/tuning_run.h"
#include "cuda_executor.h"
#include "kernel_registry.h"
#include "settings.h"

namespace flashjit {

class CudaTuningDevice final : public TuningDevice {
 public:
  // Throws Error(kNoDriver), Error(kInvalidArgument) for a device that does not exist.
  CudaTuningDevice(const Settings& settings,
                   int ordinal,
                   const MeasurePolicy& policy,
                   std::shared_ptr<spdlog::logger> logger);
  ~CudaTuningDevice() override;

  const DeviceInfo& info() const override { return executor_.device(); }
  FamilyDigests digests() const override { return digests_; }
  std::string policy() const override { return policy_.text(); }
  std::unique_ptr<TuningTarget> open(const TuningProblem& problem) override;
  void compile_ahead(const KernelConfig& config) override;

  KernelRegistry& registry() { return registry_; }
  const CudaExecutor& executor() const { return executor_; }

 private:
  const MeasurePolicy policy_;
  CudaExecutor executor_;
  KernelRegistry registry_;
  const FamilyDigests digests_;
};

// A target with the device's context current on the calling thread for as long as it lives.
std::unique_ptr<TuningTarget> open_cuda_target(const CudaExecutor& executor,
                                               KernelRegistry& registry,
                                               const TuningProblem& problem,
                                               const MeasurePolicy& policy);

// What tuning measures with: shorter than what results are published with, as it takes hundreds of
// such comparisons.
MeasurePolicy tuning_policy();

}  // namespace flashjit
