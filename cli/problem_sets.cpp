#include "cli/problem_sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "flashjit/error.h"
#include "variant_name.h"
#include "workload.h"

namespace flashjit::cli {
namespace {

// Prompts of models with 32 query heads over 8, head_dim 128, as servers batch them.
std::vector<AttentionProblem> llm_problems(Dtype dtype) {
  std::vector<AttentionProblem> problems;
  for (const int head_dim : {64, 128}) {
    for (int seqlen = 512; seqlen <= 32768; seqlen *= 4) {
      problems.push_back({.dtype = dtype,
                          .batch = std::max(1, 8192 / seqlen),
                          .seqlen_q = seqlen,
                          .seqlen_kv = seqlen,
                          .num_heads_q = 32,
                          .num_heads_kv = 8,
                          .head_dim = head_dim,
                          .causal = true});
    }
  }
  return problems;
}

// Patches and a class token of 224², 384² and 512² images by 16² or 14² patches.
std::vector<AttentionProblem> vit_problems(Dtype dtype) {
  std::vector<AttentionProblem> problems;
  for (const int heads : {12, 16}) {
    for (const int seqlen : {197, 577, 1025}) {
      problems.push_back({.dtype = dtype,
                          .batch = 32,
                          .seqlen_q = seqlen,
                          .seqlen_kv = seqlen,
                          .num_heads_q = heads,
                          .num_heads_kv = heads,
                          .head_dim = 64});
    }
  }
  return problems;
}

std::vector<AttentionProblem> decode_problems(Dtype dtype) {
  std::vector<AttentionProblem> problems;
  for (const int batch : {1, 16, 64}) {
    for (int keys = 1024; keys <= 16384; keys *= 4) {
      problems.push_back({.dtype = dtype,
                          .batch = batch,
                          .seqlen_q = 1,
                          .seqlen_kv = keys,
                          .num_heads_q = 32,
                          .num_heads_kv = 8,
                          .head_dim = 128,
                          .causal = true});
    }
  }
  return problems;
}

}  // namespace

std::vector<AttentionProblem> grid_problems(Dtype dtype) {
  std::vector<AttentionProblem> problems;
  for (const int head_dim : {64, 128, 256}) {
    for (const bool causal : {false, true}) {
      for (int seqlen = 512; seqlen <= 16384; seqlen *= 2) {
        problems.push_back({.dtype = dtype,
                            .batch = 16384 / seqlen,
                            .seqlen_q = seqlen,
                            .seqlen_kv = seqlen,
                            .num_heads_q = 2048 / head_dim,
                            .num_heads_kv = 2048 / head_dim,
                            .head_dim = head_dim,
                            .causal = causal});
      }
    }
  }
  return problems;
}

namespace {

std::vector<AttentionProblem> sample_problems(Dtype dtype) {
  const std::vector<AttentionProblem> grid = grid_problems(dtype);
  std::vector<AttentionProblem> sample;
  // One of each row of six lengths, each another length.
  for (std::size_t row = 0; row < 6; ++row)
    sample.push_back(grid[6 * row + (2 * row + row / 3) % 6]);
  return sample;
}

}  // namespace

std::vector<AttentionProblem> preset_problems(const std::string& name, Dtype dtype) {
  if (name == "llm") return llm_problems(dtype);
  if (name == "vit") return vit_problems(dtype);
  if (name == "decode") return decode_problems(dtype);
  if (name == "sample") return sample_problems(dtype);
  throw Error(ErrorCode::kInvalidArgument,
              "--preset '" + name + "' is none of llm, vit, decode, sample");
}

TuningProblem to_tuning_problem(const AttentionProblem& problem) {
  const ValidatedProblem valid = validate(problem.args(nullptr, nullptr, nullptr, nullptr), false);
  return {valid.problem, valid.shape};
}

TuningProblem dense_problem(const Problem& problem, const ProblemShape& shape) {
  const ValidatedProblem valid = validate(workload_args(problem, shape), false);
  TuningProblem dense{valid.problem, valid.shape};
  dense.shape.diagonal = shape.diagonal;
  return dense;
}

void sort_by_problem(std::vector<TuningRecord>& records) {
  const auto key = [](const TuningRecord& r) {
    return std::tuple(r.problem.dtype,
                      r.problem.head_dim_qk,
                      r.problem.head_dim_v,
                      r.problem.mask,
                      r.problem.return_lse,
                      r.shape.seqlen_q,
                      r.shape.seqlen_kv,
                      r.shape.batch,
                      r.shape.num_heads_q,
                      r.shape.num_heads_kv);
  };
  std::stable_sort(
      records.begin(), records.end(), [&key](const TuningRecord& a, const TuningRecord& b) {
        return key(a) < key(b);
      });
}

std::string short_text(const TuningProblem& tuning) {
  const Problem& p = tuning.problem;
  const ProblemShape& s = tuning.shape;
  const auto pair = [](int a, int b) {
    return a == b ? fmt::to_string(a) : fmt::format("{}/{}", a, b);
  };
  return fmt::format("{} d{}{}{}, B{} H{} S{}",
                     to_string(p.dtype),
                     pair(p.head_dim_qk, p.head_dim_v),
                     p.mask == MaskKind::kCausal ? " causal" : "",
                     p.return_lse ? " lse" : "",
                     s.batch,
                     pair(s.num_heads_q, s.num_heads_kv),
                     pair(s.seqlen_q, s.seqlen_kv));
}

}  // namespace flashjit::cli
