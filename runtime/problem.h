// AttentionArgs → a validated problem: what is compiled (Problem) and what is passed (shapes,
// strides).
#pragma once

#include <algorithm>

#include "flashjit/runtime.h"
#include "kernel_src/fwd_params.h"

namespace flashjit {

// The run-time half of a validated call; all sizes fit their types and all products were checked in
// 64 bit.
struct ProblemShape {
  int batch = 0, seqlen_q = 0, seqlen_kv = 0, num_heads_q = 0, num_heads_kv = 0;
  int diagonal = 0;  // causal: row i sees key j iff j <= i + diagonal
  float softmax_scale = 0;
  Strides q_stride{}, k_stride{}, v_stride{}, o_stride{};  // elements

  bool operator==(const ProblemShape&) const = default;
};

struct ValidatedProblem {
  Problem problem;
  ProblemShape shape;

  bool operator==(const ValidatedProblem&) const = default;
};

// Checks every rule of the contract. Throws Error(kInvalidArgument) whose message names the
// argument, what is wrong with it and what would be right. With `check_pointers` false null data
// pointers pass (prepare, workspace_bytes).
ValidatedProblem validate(const AttentionArgs& args, bool check_pointers = true);

// |scale| · log2(e), never 0 (a masked −inf times 0 would be NaN): 0 becomes 1e-30.
float scale_log2(float softmax_scale);

// The kernel's view of a validated call, without workspace.
FwdParams make_fwd_params(const AttentionArgs& args, const ProblemShape& shape);

// What registers and shared memory of a tile grow with.
inline int widest_head_dim(const Problem& problem) {
  return std::max(problem.head_dim_qk, problem.head_dim_v);
}

// 4·B·H·Sq·Skv·(Dqk+Dv)/2, and for causal only the visible part: Σ over rows of the keys seen.
double flop_count(const Problem& problem, const ProblemShape& shape);

}  // namespace flashjit
