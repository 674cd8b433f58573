#include "instrumented/instantiate.h"

namespace flashjit::test {
namespace {

constexpr Arch kHopper = {9, 0, true};

// Two CTAs that share K and V, P through shared memory, one Q buffer.
constexpr KernelConfig cluster() {
  return {.problem = problem_of(Dtype::kBf16, 64, MaskKind::kCausal, false),
          .tiling = {.family = Family::kSm90,
                     .block_m = 128,
                     .block_n = 80,
                     .num_stages = 2,
                     .num_warps = 8,
                     .overlap = true,
                     .ping_pong = true,
                     .skip_masked = true,
                     .probs_in_smem = true,
                     .cluster_size = 2,
                     .schedule = Schedule::kDynamic,
                     .rescale = Rescale::kOptimistic,
                     .epilogue = Epilogue::kStaged,
                     .producer_regs = 40,
                     .consumer_regs = 232},
          .arch = kHopper};
}
// Ones behind the head dim in V's last panel, P through shared memory without overlap.
constexpr KernelConfig ones_behind_v() {
  return {.problem = problem_of(Dtype::kFp16, 72, MaskKind::kNone, false),
          .tiling = {.family = Family::kSm90,
                     .block_m = 64,
                     .block_n = 48,
                     .num_stages = 2,
                     .num_warps = 4,
                     .row_sum_by_mma = true,
                     .probs_in_smem = true,
                     .cluster_size = 2,
                     .rescale = Rescale::kLazy},
          .arch = kHopper};
}

}  // namespace

std::vector<Instrumented> instrumented_sm90_shared() {
  return instantiate<cluster(), ones_behind_v()>();
}

}  // namespace flashjit::test
