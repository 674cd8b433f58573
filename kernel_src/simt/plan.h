// Plan of the minimal kernel: five tiles in shared memory, as in the textbook picture of flash
// attention. With 64x64 tiles, head_dim 64 and 16-bit elements: Q, K, V 8 KB each, S and P in fp32
// 16 KB each, 56 KB in all.
#pragma once
#include "smem_plan.h"

namespace flashjit {

constexpr SmemPlan simt_smem_plan(const KernelConfig& config) {
  const Problem& p = config.problem;
  const Tiling& t = config.tiling;
  const int size = size_of(p.dtype);
  SmemPlan plan;
  plan.add(SmemRegion::kQ, t.block_m * p.head_dim_qk * size);
  plan.add(SmemRegion::kK, t.block_n * p.head_dim_qk * size);
  plan.add(SmemRegion::kV, t.block_n * p.head_dim_v * size);
  plan.add(SmemRegion::kScores, t.block_m * t.block_n * 4);
  plan.add(SmemRegion::kProbs, t.block_m * t.block_n * 4);
  return plan;
}

// fp32 scores and outputs that a thread holds.
constexpr int simt_accumulators(const KernelConfig& config) {
  const Tiling& t = config.tiling;
  return (t.block_m * t.block_n + t.block_m * round_up(config.problem.head_dim_v, 64)) / 256;
}

// Two CTAs leave 128 registers to each of their 256 threads; one may have all 255.
constexpr int simt_min_ctas_per_sm(const KernelConfig& config) {
  const int limit = config.problem.dtype == Dtype::kFp32 ? 24 : 32;
  return simt_accumulators(config) <= limit ? 2 : 1;
}

constexpr const char* simt_why_illegal(const KernelConfig& config) {
  const Tiling& t = config.tiling;
  const Arch& a = config.arch;
  if (10 * a.major + a.minor < 75) return "simt kernels need arch 7.5 or newer";
  if (t.block_m != 16 && t.block_m != 32 && t.block_m != 64 && t.block_m != 128)
    return "simt: block_m is not 16, 32, 64 or 128";
  if (t.block_n != 16 && t.block_n != 32 && t.block_n != 64 && t.block_n != 128)
    return "simt: block_n is not 16, 32, 64 or 128";
  if (t.num_warps != 8) return "simt: num_warps is not 8";
  // Beside them: fragments of Q and P for the rows, addresses.
  if (simt_accumulators(config) > 80)
    return "simt: the scores and outputs do not fit in a thread's registers";
  if (t.num_stages != 1 || t.rescale != Rescale::kEager || !sm90_fields_at_defaults(t))
    return "simt: a tiling field that simt has no use for is not at its default";
  return nullptr;
}

// 64x64, and smaller only where the shared memory of `arch` is.
constexpr Tiling default_simt_tiling(const Problem& problem, const Arch& arch) {
  KernelConfig config{.problem = problem, .tiling = {.family = Family::kSimt}, .arch = arch};
  for (int block = 64; block >= 16; block /= 2) {
    config.tiling.block_m = block;
    config.tiling.block_n = block;
    if (simt_smem_plan(config).total <= max_smem_bytes(arch)) break;
  }
  return config.tiling;
}

}  // namespace flashjit
