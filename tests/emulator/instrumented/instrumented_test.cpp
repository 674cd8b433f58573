// Each family under the sanitizers, on cases that reach every line; tests/emulator/coverage.py
// counts them.
#include <limits>

#include "instrumented/variants.h"
#include "runtime/variant_name.h"
#include "support/catch.h"
#include "support/check_attention.h"

namespace flashjit::test {
namespace {

Scalar scalar_of(Dtype dtype) {
  return dtype == Dtype::kFp16   ? Scalar::kFp16
         : dtype == Dtype::kBf16 ? Scalar::kBf16
                                 : Scalar::kFp32;
}

std::vector<AttentionCase> cases_of(const KernelConfig& config) {
  const Problem& problem = config.problem;
  const AttentionCase base{.scalar = scalar_of(problem.dtype),
                           .head_dim_qk = problem.head_dim_qk,
                           .head_dim_v = problem.head_dim_v,
                           .causal = problem.mask == MaskKind::kCausal,
                           .lse = problem.return_lse};
  AttentionCase grouped = base, top_left = base, tall = base, large = base, negative = base;
  AttentionCase infinite = base;
  grouped.batch = 2, grouped.heads_q = 2, grouped.seqlen_q = 140, grouped.seqlen_kv = 333;
  top_left.seqlen_q = 65, top_left.seqlen_kv = 113, top_left.top_left = base.causal;
  top_left.layout = Layout::kBhsd, top_left.heads_q = top_left.heads_kv = 2;
  tall.seqlen_q = 259, tall.seqlen_kv = 67;
  large.inputs = Inputs::kLarge, large.seqlen_kv = 257;
  negative.scale = -0.2f, negative.seqlen_q = 33;
  infinite.inputs = Inputs::kInfiniteKeys, infinite.seqlen_q = 67, infinite.seqlen_kv = 641;
  std::vector<AttentionCase> cases = {grouped, top_left, tall, large, infinite};
  // sm90 has no negative scale: the runtime runs sm80 in its place.
  if (config.tiling.family != Family::kSm90) cases.push_back(negative);
  return cases;
}

// A NaN and an infinity in V and large values in K: the rows that do not see them stay clean.
CaseInputs with_specials(const AttentionCase& c, std::uint64_t seed) {
  CaseInputs inputs = make_inputs(c, seed);
  inputs.v.set(0, c.seqlen_kv / 2, 0, 3, std::numeric_limits<double>::quiet_NaN());
  inputs.v.set(0, c.seqlen_kv - 1, 0, 1, std::numeric_limits<double>::infinity());
  return inputs;
}

void check_variants(const std::vector<Instrumented>& variants) {
  for (const Instrumented& variant : variants) {
    DYNAMIC_SECTION(variant_name(variant.config)) {
      emu::Options options;
      options.seed = 0;
      HostDevice device([&](const AttentionArgs& args) {
        ++options.seed;
        variant.run(args, options);
      });
      for (const AttentionCase& c : cases_of(variant.config)) {
        const Verdict verdict = check_attention(device, solve(c, fresh_seed()));
        INFO("schedule " << options.seed << ", " << verdict.message);
        CHECK(verdict.ok);
      }
      const AttentionCase special = cases_of(variant.config)[1];
      const Verdict verdict =
          check_attention(device, solve(special, with_specials(special, fresh_seed())));
      INFO("special values, schedule " << options.seed << ", " << verdict.message);
      CHECK(verdict.ok);
    }
  }
}

}  // namespace

TEST_CASE("instrumented: standard") { check_variants(instrumented_standard()); }
TEST_CASE("instrumented: simt") { check_variants(instrumented_simt()); }
TEST_CASE("instrumented: sm80") { check_variants(instrumented_sm80()); }
TEST_CASE("instrumented: sm90") { check_variants(instrumented_sm90()); }
TEST_CASE("instrumented: sm90, wide") { check_variants(instrumented_sm90_wide()); }
TEST_CASE("instrumented: sm90, shared") { check_variants(instrumented_sm90_shared()); }

}  // namespace flashjit::test
