// A dense attention that a command runs: its sizes, what it costs by formula, and its flags on the
// command line.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>

#include "flashjit/runtime.h"

namespace flashjit::cli {

// Dense BSHD tensors; head_dim is that of Q, K and V.
struct AttentionProblem {
  Dtype dtype = Dtype::kBf16;
  int batch = 1, seqlen_q = 1, seqlen_kv = 1, num_heads_q = 1, num_heads_kv = 1, head_dim = 64;
  bool causal = false;

  std::size_t q_elements() const {  // of Q, and of O
    return std::size_t{1} * batch * seqlen_q * num_heads_q * head_dim;
  }
  std::size_t kv_elements() const {  // of K, and of V
    return std::size_t{1} * batch * seqlen_kv * num_heads_kv * head_dim;
  }
  // Q, K, V and O once each: what a fused kernel must move, and what stays in memory.
  double tensor_bytes() const {
    return 2.0 * static_cast<double>(q_elements() + kv_elements()) * size_of(dtype);
  }
  // 4·B·H·Sq·Skv·D; of a causal problem only the visible part.
  double flops() const;
  // Views of tensors at these addresses; null is enough for Runtime::prepare.
  AttentionArgs args(void* q, void* k, void* v, void* o) const;
};

// --dtype --batch --heads --kv-heads --seqlen --seqlen-kv --head-dim --causal. Sizes of 0 mean "not
// given".
class ProblemFlags {
 public:
  explicit ProblemFlags(const AttentionProblem& defaults) : problem_(defaults) {}

  void add_to(CLI::App& command);
  AttentionProblem problem() const;

 private:
  AttentionProblem problem_;
  std::string dtype_;
  int seqlen_ = 0, seqlen_kv_ = 0, kv_heads_ = 0;
};

// "bf16 B4 H16 S4096 D128 causal"
std::string describe(const AttentionProblem& problem);

}  // namespace flashjit::cli
