// `flashjit bench --ladder`: what each technique of the Hopper kernel gives, added one at a time
// and switched off one at a time (cli/ladder.h).
#pragma once

#include <filesystem>

#include "autotune/measure.h"
#include "cli/attention_problem.h"
#include "cli/report.h"

namespace flashjit::cli {

// head_dim 64, 128, 256 × mask at the sequence length of `problem`, 16k tokens, H·D = 2048. `out`
// also gets the rows, if not empty. Throws Error(kNotSupported) on devices other than Hopper.
int bench_ladder(const AttentionProblem& problem,
                 const Device& device,
                 const MeasurePolicy& policy,
                 const std::filesystem::path& out,
                 Report& report);

}  // namespace flashjit::cli
