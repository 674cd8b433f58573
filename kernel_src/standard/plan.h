// Plan of the standard family, the baseline: attention as six kernels that hand S×S matrices to
// each other through global memory. Here are its workspace, its six launches and its shared memory.
//
//   kernel         reads          writes                              work of a CTA
//   scores         Q, K           S = scale · Q·Kᵀ                    a block_m x block_n tile
//   mask           -              −inf where a row does not see       num_warps rows, one a warp
//   row_max        S              M                                   rows
//   exponentials   S, M           P = exp(S − M) over S, L = Σ P      rows
//   normalize      P, L           P / L over P, LSE                   rows
//   output         P, V           O = P·V                             block_m rows
//
// S has the input's dtype, and fp32 where an LSE is asked for: rounding scores of 4 to bf16 alone
// costs 8e-3. P always has the input's dtype and lies in the row of S that it replaces.
#pragma once
#include "smem_plan.h"

namespace flashjit {

inline constexpr int kNumStandardKernels = 6;

enum class StandardKernel : int { kScores, kMask, kRowMax, kExponentials, kNormalize, kOutput };

constexpr Dtype standard_score_dtype(const Problem& problem) {
  return problem.return_lse ? Dtype::kFp32 : problem.dtype;
}

// Columns of a row of S in memory: whole tiles for every block_n.
constexpr i64 standard_score_pitch(int seqlen_kv) { return (i64(seqlen_kv) + 63) / 64 * 64; }

constexpr i64 standard_score_bytes(
    const Problem& problem, int batch, int num_heads_q, int seqlen_q, int seqlen_kv) {
  return i64(batch) * num_heads_q * seqlen_q * standard_score_pitch(seqlen_kv) *
         size_of(standard_score_dtype(problem));
}

// S, then M and L in fp32, one number for each row.
constexpr i64 standard_workspace_bytes(
    const Problem& problem, int batch, int num_heads_q, int seqlen_q, int seqlen_kv) {
  return standard_score_bytes(problem, batch, num_heads_q, seqlen_q, seqlen_kv) +
         2 * i64(sizeof(float)) * batch * num_heads_q * seqlen_q;
}

// A linear grid; kernels whose work exceeds it go round.
struct LaunchShape {
  int grid_x;
  int threads;
  int smem;
};

constexpr int standard_smem_bytes(const KernelConfig& config, StandardKernel kernel) {
  const Problem& p = config.problem;
  const Tiling& t = config.tiling;
  const bool fp32 = p.dtype == Dtype::kFp32;
  const int qk = fp32 ? p.head_dim_qk * 4 : padded_head_dim(p.head_dim_qk) * 2;  // bytes of a row
  const int v = fp32 ? p.head_dim_v * 4 : padded_head_dim(p.head_dim_v) * 2;
  const int probs = t.block_n * size_of(p.dtype);
  if (kernel == StandardKernel::kScores) {
    const int tiles = (t.block_m + t.block_n) * qk;
    const int staged = fp32 ? 0 : t.block_m * probs;
    return tiles > staged ? tiles : staged;
  }
  if (kernel == StandardKernel::kOutput) {
    const int tiles = t.num_stages * (t.block_m * probs + t.block_n * v);
    const int staged = fp32 ? 0 : t.block_m * v;
    return tiles > staged ? tiles : staged;
  }
  return 0;
}

constexpr LaunchShape standard_launch(const KernelConfig& config,
                                      StandardKernel kernel,
                                      int batch,
                                      int num_heads_q,
                                      int seqlen_q,
                                      int seqlen_kv) {
  const Tiling& t = config.tiling;
  const i64 pairs = i64(batch) * num_heads_q;
  const i64 m_blocks = (i64(seqlen_q) + t.block_m - 1) / t.block_m;
  i64 ctas = (pairs * seqlen_q + t.num_warps - 1) / t.num_warps;
  if (kernel == StandardKernel::kScores)
    ctas = pairs * m_blocks * (standard_score_pitch(seqlen_kv) / t.block_n);
  if (kernel == StandardKernel::kOutput) ctas = pairs * m_blocks;
  constexpr i64 kMaxGrid = 0x7fffffff;
  if (ctas > kMaxGrid) ctas = kMaxGrid;
  if (ctas < 1) ctas = 1;  // no keys: there are no scores, and a grid is not empty
  return {int(ctas), num_threads(config), standard_smem_bytes(config, kernel)};
}

// The larger of the two kernels that use shared memory.
constexpr SmemPlan standard_smem_plan(const KernelConfig& config) {
  const int scores = standard_smem_bytes(config, StandardKernel::kScores);
  const int output = standard_smem_bytes(config, StandardKernel::kOutput);
  const Tiling& t = config.tiling;
  const int probs = t.num_stages * t.block_m * t.block_n * size_of(config.problem.dtype);
  SmemPlan plan;
  if (scores >= output) {
    const int k = scores * t.block_n / (t.block_m + t.block_n);
    plan.add(SmemRegion::kQ, scores - k);
    plan.add(SmemRegion::kK, k);
  } else {
    plan.add(SmemRegion::kProbs, probs);
    plan.add(SmemRegion::kV, output - probs);
  }
  return plan;
}

constexpr const char* standard_why_illegal(const KernelConfig& config) {
  const Tiling& t = config.tiling;
  const int cc = 10 * config.arch.major + config.arch.minor;
  if (t.num_warps != 8) return "standard: num_warps is not 8";
  if (config.problem.dtype == Dtype::kFp32) {
    if (cc < 75) return "standard kernels need arch 7.5 or newer";
    if (t.block_m != t.block_n || (t.block_m != 32 && t.block_m != 64))
      return "standard: fp32 tiles are 32x32 or 64x64";
    if (t.num_stages != 1) return "standard: fp32 tiles have one stage";
  } else {
    if (cc < 80) return "standard: 16-bit kernels need arch 8.0 or newer";
    if (t.block_m != 128 || t.block_n != 64) return "standard: 16-bit tiles are 128x64";
    if (t.num_stages != 2) return "standard: 16-bit tiles have two stages";
  }
  if (t.rescale != Rescale::kEager || !sm90_fields_at_defaults(t))
    return "standard: a tiling field that standard has no use for is not at its default";
  return nullptr;
}

constexpr Tiling default_standard_tiling(const Problem& problem, const Arch& arch) {
  if (problem.dtype != Dtype::kFp32)
    return {.family = Family::kStandard, .block_m = 128, .block_n = 64, .num_stages = 2};
  KernelConfig config{.problem = problem, .tiling = {.family = Family::kStandard}, .arch = arch};
  if (standard_smem_plan(config).total > max_smem_bytes(arch)) {
    config.tiling.block_m = 32;
    config.tiling.block_n = 32;
  }
  return config.tiling;
}

}  // namespace flashjit
