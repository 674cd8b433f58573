// Named sets of problems, for commands that measure more than one.
#pragma once

#include <string>
#include <vector>

#include "autotune/tuning_run.h"
#include "cli/attention_problem.h"

namespace flashjit::cli {

// The grid of bench/results, 36 points: batch · seqlen = 16384, heads · head_dim = 2048, head_dim
// 64, 128, 256, with and without a causal mask, seqlen 512 … 16384.
std::vector<AttentionProblem> grid_problems(Dtype dtype);

// "llm": prefill of grouped-query models; "vit": image encoders; "decode": one query against a
// cache of keys; "sample": six points of the grid, one of each head_dim and mask. Throws
// Error(kInvalidArgument) for another name.
std::vector<AttentionProblem> preset_problems(const std::string& name, Dtype dtype);

TuningProblem to_tuning_problem(const AttentionProblem& problem);

// The same sizes as dense BSHD tensors, which is how problems are tuned; a record keeps no strides.
TuningProblem dense_problem(const Problem& problem, const ProblemShape& shape);

// By dtype, head_dim, mask and lengths, as tables and files of records show them; else as they
// were.
void sort_by_problem(std::vector<TuningRecord>& records);

// "bf16 d128 causal, B4 H32/8 S4096": for a line of a table or of progress.
std::string short_text(const TuningProblem& problem);

}  // namespace flashjit::cli
