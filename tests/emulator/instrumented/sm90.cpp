#include "instrumented/instantiate.h"

namespace flashjit::test {
namespace {

constexpr Arch kHopper = {9, 0, true};

// The causal default of head_dim 64: three warpgroups that take turns.
constexpr KernelConfig ping_pong() {
  return {.problem = problem_of(Dtype::kBf16, 64, MaskKind::kCausal, false),
          .tiling = {.family = Family::kSm90,
                     .block_m = 192,
                     .block_n = 64,
                     .num_stages = 3,
                     .num_q_stages = 2,
                     .num_warps = 12,
                     .overlap = true,
                     .ping_pong = true,
                     .skip_masked = true,
                     .row_sum_by_mma = true,
                     .schedule = Schedule::kDynamic,
                     .rescale = Rescale::kOptimistic,
                     .epilogue = Epilogue::kThroughQ,
                     .producer_regs = 32,
                     .consumer_regs = 160},
          .arch = kHopper};
}
// One warpgroup, nothing overlapped, each tile a CTA.
constexpr KernelConfig plain() {
  return {.problem = problem_of(Dtype::kFp16, 72, MaskKind::kNone, true),
          .tiling = {.family = Family::kSm90,
                     .block_m = 64,
                     .block_n = 48,
                     .num_stages = 2,
                     .num_warps = 4,
                     .rescale = Rescale::kEager},
          .arch = kHopper};
}

}  // namespace

std::vector<Instrumented> instrumented_sm90() { return instantiate<ping_pong(), plain()>(); }

}  // namespace flashjit::test
