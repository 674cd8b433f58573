#include "autotune/cuda_tuning_device.h"

#include "autotune/cuda_target.h"
#include "tuned_tilings.h"

namespace flashjit {
namespace {

// Launches go through an executor of the target's own: every captured launch of a dynamically
// scheduled variant keeps a counter of its executor, and measuring captures thousands. No graph
// outlives a comparison, so the next one may have them again.
Settings launch_settings(const CudaExecutor& executor) {
  Settings settings;
  settings.libcuda = executor.cuda_device()->driver().path();
  settings.offline = true;  // it compiles nothing, so it opens no NVRTC
  return settings;
}

class CudaTargetInContext final : public TuningTarget {
 public:
  CudaTargetInContext(const CudaExecutor& executor,
                      KernelRegistry& registry,
                      const TuningProblem& problem,
                      const MeasurePolicy& policy)
      : current_(*executor.cuda_device()),
        launcher_(launch_settings(executor), executor.cuda_device()->ordinal()),
        target_(
            launcher_, registry, *launcher_.cuda_device(), problem.problem, problem.shape, policy) {
  }

  std::string compile(const Tiling& tiling) override { return target_.compile(tiling); }
  std::string verify(const Tiling& tiling) override { return target_.verify(tiling); }
  std::vector<Timing> time(std::span<const Tiling> tilings, int rounds) override {
    std::vector<Timing> timings = target_.time(tilings, rounds);
    launcher_.forget_captures();
    return timings;
  }
  double sm_clock_mhz() const override { return target_.sm_clock_mhz(); }

 private:
  CurrentContext current_;
  CudaExecutor launcher_;
  CudaTarget target_;
};

}  // namespace

CudaTuningDevice::CudaTuningDevice(const Settings& settings,
                                   int ordinal,
                                   const MeasurePolicy& policy,
                                   std::shared_ptr<spdlog::logger> logger)
    : policy_(policy),
      executor_(settings, ordinal),
      registry_(executor_, settings, std::move(logger)),
      digests_(family_digests(registry_.sources())) {}

CudaTuningDevice::~CudaTuningDevice() = default;

std::unique_ptr<TuningTarget> CudaTuningDevice::open(const TuningProblem& problem) {
  return open_cuda_target(executor_, registry_, problem, policy_);
}

void CudaTuningDevice::compile_ahead(const KernelConfig& config) {
  compile_variant(registry_, config);
}

std::unique_ptr<TuningTarget> open_cuda_target(const CudaExecutor& executor,
                                               KernelRegistry& registry,
                                               const TuningProblem& problem,
                                               const MeasurePolicy& policy) {
  return std::make_unique<CudaTargetInContext>(executor, registry, problem, policy);
}

MeasurePolicy tuning_policy() {
  return {.rounds = 200, .min_rounds = 3, .max_seconds = 0.6, .warmup_ms = 10};
}

}  // namespace flashjit
