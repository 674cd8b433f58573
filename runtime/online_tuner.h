// What Options::tune = on_first_use calls. The runtime knows this interface only: autotune/ depends
// on the runtime, never the other way round, and registers itself when libflashjit, which both are
// linked into, is loaded.
#pragma once

#include <functional>

#include "executor.h"
#include "settings.h"
#include "tuning_record.h"

namespace flashjit {

struct OnlineTuningJob {
  const Executor& executor;
  const Settings& settings;
  const Problem& problem;
  const ProblemShape& shape;
  const Tiling& default_tiling;
  double seconds;
};

// Measures on streams and in memory of its own, with kernels of its own: what the caller's registry
// holds and logs is not changed by candidates. Throws Error where it cannot: no CUDA device, no
// memory, no compiler.
using OnlineTuner = std::function<TuningRecord(const OnlineTuningJob&)>;

// Thread-safe; the last registration counts.
void register_online_tuner(OnlineTuner tuner);
// Empty when nothing is registered.
OnlineTuner online_tuner();

}  // namespace flashjit
