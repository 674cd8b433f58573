#include "cli/attention_problem.h"

#include <fmt/format.h>

#include "problem.h"
#include "variant_name.h"

namespace flashjit::cli {

double AttentionProblem::flops() const {
  const ValidatedProblem validated = validate(args(nullptr, nullptr, nullptr, nullptr), false);
  return flop_count(validated.problem, validated.shape);
}

AttentionArgs AttentionProblem::args(void* q, void* k, void* v, void* o) const {
  return {.q = bshd(q, dtype, batch, seqlen_q, num_heads_q, head_dim),
          .k = bshd(k, dtype, batch, seqlen_kv, num_heads_kv, head_dim),
          .v = bshd(v, dtype, batch, seqlen_kv, num_heads_kv, head_dim),
          .o = bshd(o, dtype, batch, seqlen_q, num_heads_q, head_dim),
          .causal = causal};
}

void ProblemFlags::add_to(CLI::App& command) {
  const CLI::Range sizes(1, 1 << 24);
  command.add_option("--dtype", dtype_, "fp16, bf16 or fp32")
      ->check(CLI::IsMember({"fp16", "bf16", "fp32"}));
  command.add_option("--batch", problem_.batch, "Batch size")->check(sizes)->capture_default_str();
  command.add_option("--heads", problem_.num_heads_q, "Query heads")
      ->check(sizes)
      ->capture_default_str();
  command.add_option("--kv-heads", kv_heads_, "Key and value heads; default: as --heads")
      ->check(sizes);
  command.add_option("--seqlen", seqlen_, "Queries, and keys unless --seqlen-kv is given")
      ->check(sizes);
  command.add_option("--seqlen-kv", seqlen_kv_, "Keys")->check(sizes);
  command.add_option("--head-dim", problem_.head_dim, "A multiple of 8 up to 256")
      ->capture_default_str();
  command.add_flag("--causal", problem_.causal, "Causal mask");
}

AttentionProblem ProblemFlags::problem() const {
  AttentionProblem problem = problem_;
  if (!dtype_.empty()) problem.dtype = *parse_dtype(dtype_);
  if (seqlen_ > 0) problem.seqlen_q = problem.seqlen_kv = seqlen_;
  if (seqlen_kv_ > 0) problem.seqlen_kv = seqlen_kv_;
  problem.num_heads_kv = kv_heads_ > 0 ? kv_heads_ : problem.num_heads_q;
  return problem;
}

std::string describe(const AttentionProblem& problem) {
  const std::string heads =
      problem.num_heads_kv == problem.num_heads_q
          ? fmt::format("{} heads", problem.num_heads_q)
          : fmt::format("{} heads over {}", problem.num_heads_q, problem.num_heads_kv);
  const std::string lengths =
      problem.seqlen_kv == problem.seqlen_q
          ? fmt::format("seqlen {}", problem.seqlen_q)
          : fmt::format("{} queries × {} keys", problem.seqlen_q, problem.seqlen_kv);
  return fmt::format("{}, batch {}, {}, {}, head_dim {}, {}",
                     to_string(problem.dtype),
                     problem.batch,
                     heads,
                     lengths,
                     problem.head_dim,
                     problem.causal ? "causal" : "no mask");
}

}  // namespace flashjit::cli
