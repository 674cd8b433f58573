// The tuning records that matter to a workload on GPUs that are not here: what `build` compiles
// beside the heuristic's variants and `export` ships, so that a tuned program finds its variants.
#pragma once

#include <vector>

#include "settings.h"
#include "tuning_record.h"

namespace flashjit::cli {

class WorkloadTuning {
 public:
  // The records that a runtime with these settings sees; none when they turn records off.
  explicit WorkloadTuning(const Settings& settings);

  // What a device of `arch` would use for the problem: one record for each device model that
  // records know, and the hint that an unknown model would get. Each once.
  std::vector<const TuningRecord*> find(const Problem& problem,
                                        const ProblemShape& shape,
                                        const Arch& arch) const;

 private:
  TuningRecords records_;
  FamilyDigests digests_;
};

// The record with winner and default as its only candidates: the evidence that is shipped. The rest
// stays where it was measured.
TuningRecord finals_of(TuningRecord record);

}  // namespace flashjit::cli
