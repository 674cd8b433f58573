#include "instrumented/instantiate.h"

namespace flashjit::test {
namespace {

constexpr KernelConfig config(Problem problem, Tiling tiling) {
  tiling.family = Family::kSm90;
  tiling.block_m = 128;
  tiling.num_warps = 8;
  tiling.overlap = true;
  tiling.producer_regs = 40;
  tiling.consumer_regs = 232;
  return {.problem = problem, .tiling = tiling, .arch = {9, 0, true}};
}

constexpr KernelConfig staged() {
  return config(problem_of(Dtype::kBf16, 128, MaskKind::kCausal, true),
                {.block_n = 64,
                 .num_stages = 2,
                 .num_q_stages = 2,
                 .skip_masked = true,
                 .schedule = Schedule::kDynamic,
                 .rescale = Rescale::kOptimistic,
                 .epilogue = Epilogue::kStaged});
}
constexpr KernelConfig lazy() {
  return config(problem_of(Dtype::kFp16, 128, MaskKind::kNone, false),
                {.block_n = 80,
                 .num_stages = 2,
                 .ping_pong = true,
                 .schedule = Schedule::kStatic,
                 .rescale = Rescale::kLazy});
}

}  // namespace

std::vector<Instrumented> instrumented_sm90_wide() { return instantiate<staged(), lazy()>(); }

}  // namespace flashjit::test
