// `flashjit tune --isolate`: candidates in worker processes, which are this program again.
#pragma once

#include <memory>

#include "autotune/cuda_tuning_device.h"
#include "cli/program.h"

namespace flashjit::cli {

// A device whose targets run in workers; it compiles in this process.
std::unique_ptr<TuningDevice> make_isolated_device(std::unique_ptr<CudaTuningDevice> device,
                                                   int ordinal);

// The hidden command that is a worker: a problem as a line of a workload on its standard input,
// then the requests of autotune/isolated_target.
void add_tune_worker(Program& program);

}  // namespace flashjit::cli
