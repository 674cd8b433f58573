#include "autotune/first_use.h"

#include "autotune/cuda_tuning_device.h"
#include "flashjit/error.h"
#include "kernel_registry.h"
#include "log.h"
#include "tuned_tilings.h"

namespace flashjit {
namespace {

[[maybe_unused]] const bool kRegistered = (register_first_use_tuner(), true);

// Candidates compile with warnings that are nobody's business: their times say enough.
std::shared_ptr<spdlog::logger> silent_logger() {
  auto logger = std::make_shared<spdlog::logger>("flashjit tuning");
  logger->set_level(spdlog::level::off);
  return logger;
}

}  // namespace

TuningRecord tune_on_first_use(const OnlineTuningJob& job) {
  const auto* executor = dynamic_cast<const CudaExecutor*>(&job.executor);
  if (executor == nullptr)
    throw Error(ErrorCode::kNotSupported, "only the CUDA backend can be tuned");
  const TuningProblem problem{job.problem, job.shape};
  const DeviceInfo& device = executor->device();
  const TuningSpace space = tuning_space(problem, device);
  const MeasurePolicy policy = tuning_policy();
  KernelRegistry registry(*executor, job.settings, silent_logger());
  const auto target = open_cuda_target(*executor, registry, problem, policy);
  const TuningResult result =
      search_on_first_use(*target, space.candidates, job.default_tiling, job.seconds);
  TuningRecord record = make_record(problem, device, family_digests(registry.sources()), result);
  record.policy = policy.text();
  record.sm_clock_mhz = target->sm_clock_mhz();
  return record;
}

TuningResult search_on_first_use(TuningTarget& target,
                                 const std::vector<Candidate>& space,
                                 const Tiling& default_tiling,
                                 double seconds) {
  TunerOptions options;
  options.seconds = seconds;
  TuningResult result = tune(target, space, default_tiling, options);
  if (!result.error.empty()) throw Error(result.error_code, result.error);
  return result;
}

void register_first_use_tuner() { register_online_tuner(tune_on_first_use); }

}  // namespace flashjit
