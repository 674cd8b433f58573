// Options::tune = on_first_use: what the runtime's hook (online_tuner.h) is given.
#pragma once

#include "autotune/tuning_problem.h"
#include "online_tuner.h"

namespace flashjit {

// Tunes the job's problem on the executor's GPU. Throws Error(kNotSupported) for an executor
// without one, and what the device throws.
TuningRecord tune_on_first_use(const OnlineTuningJob& job);

// The search of it. Throws the Error that ended it, such as a lost device: what was measured before
// says nothing.
TuningResult search_on_first_use(TuningTarget& target,
                                 const std::vector<Candidate>& space,
                                 const Tiling& default_tiling,
                                 double seconds);

// Makes it the runtime's online tuner. libflashjit does so when it is loaded; a program that links
// the objects statically calls it.
void register_first_use_tuner();

}  // namespace flashjit
