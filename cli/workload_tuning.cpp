#include "cli/workload_tuning.h"

#include <algorithm>

#include "kernel_sources.h"
#include "log.h"
#include "select.h"
#include "tuned_tilings.h"

namespace flashjit::cli {

WorkloadTuning::WorkloadTuning(const Settings& settings) {
  if (settings.tune == TuneMode::kOff) return;
  records_ = visible_records(settings, *make_logger({}, settings));
  if (records_.all().empty()) return;
  digests_ = family_digests(settings.kernel_dir.empty()
                                ? KernelSources::embedded()
                                : KernelSources::from_directory(settings.kernel_dir));
}

std::vector<const TuningRecord*> WorkloadTuning::find(const Problem& problem,
                                                      const ProblemShape& shape,
                                                      const Arch& arch) const {
  std::vector<DeviceModel> models = {DeviceModel{}};  // one that nobody has measured
  for (const TuningRecord& record : records_.all()) {
    if (record.arch == arch &&
        std::find(models.begin(), models.end(), record.device) == models.end())
      models.push_back(record.device);
  }
  std::vector<const TuningRecord*> found;
  for (const DeviceModel& model : models) {
    const TuningRecord* record = records_.find(model, arch, problem, shape, digests_).record;
    if (record == nullptr || why_unsupported({problem, record->winner, arch}, shape) != nullptr)
      continue;
    if (std::find(found.begin(), found.end(), record) == found.end()) found.push_back(record);
  }
  return found;
}

TuningRecord finals_of(TuningRecord record) {
  std::erase_if(record.candidates, [&](const CandidateResult& c) {
    return c.tiling != record.winner && c.time_us != record.default_us;
  });
  return record;
}

}  // namespace flashjit::cli
