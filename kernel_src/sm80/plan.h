// Plan of the sm80 family: tensor cores through mma.sync, K and V through a cp.async ring. Rows of
// a tile go to warps in contiguous runs of 16 or 32; 32 rows halve the ldmatrix traffic per mma,
// which on Hopper is what bounds 16 (4 cycles of shared memory for 2 mma of each of 4 schedulers).
#pragma once
#include "smem_plan.h"

namespace flashjit {

constexpr int sm80_rows_per_warp(const Tiling& t) { return t.block_m / t.num_warps; }

// fp32 accumulators of S and O in each thread.
constexpr int sm80_accumulators(const KernelConfig& config) {
  return sm80_rows_per_warp(config.tiling) / 16 *
         (config.tiling.block_n / 2 + padded_head_dim(config.problem.head_dim_v) / 2);
}

// Registers of Q, were it kept in them for the whole mainloop.
constexpr int sm80_q_registers(const KernelConfig& config) {
  return sm80_rows_per_warp(config.tiling) / 16 * padded_head_dim(config.problem.head_dim_qk) / 4;
}

// What a thread needs beside S, O and Q: K/V fragments, row statistics, addresses, loop state.
inline constexpr int kSm80OtherRegisters = 56;

// Two CTAs of 4 warps, or one of 8, leave 255 registers to a thread.
constexpr int sm80_min_ctas_per_sm(const KernelConfig& config) {
  return config.tiling.num_warps == 4 ? 2 : 1;
}

// The most accumulators and Q registers that ptxas 13.0 compiles without a spill, when both exist.
inline constexpr int kSm80MaxWithQ = 176;

constexpr bool sm80_q_in_registers(const KernelConfig& config) {
  return sm80_accumulators(config) + sm80_q_registers(config) <= kSm80MaxWithQ;
}

constexpr SmemPlan sm80_smem_plan(const KernelConfig& config) {
  const Tiling& t = config.tiling;
  const int qk = padded_head_dim(config.problem.head_dim_qk);
  const int v = padded_head_dim(config.problem.head_dim_v);
  SmemPlan plan;
  plan.add(SmemRegion::kQ, t.block_m * (qk > v ? qk : v) * 2);  // O leaves through it
  plan.add(SmemRegion::kK, t.num_stages * t.block_n * qk * 2);
  plan.add(SmemRegion::kV, t.num_stages * t.block_n * v * 2);
  return plan;
}

constexpr const char* sm80_why_illegal(const KernelConfig& config) {
  const Tiling& t = config.tiling;
  if (config.problem.dtype == Dtype::kFp32) return "sm80: fp16 and bf16 only";
  if (config.arch.major < 8) return "sm80 kernels need arch 8.0 or newer";
  if (t.num_warps != 4 && t.num_warps != 8) return "sm80: num_warps is not 4 or 8";
  if (t.block_m != 16 * t.num_warps && t.block_m != 32 * t.num_warps)
    return "sm80: block_m is not 16 or 32 rows for each warp";
  if (t.block_n < 16 || t.block_n > 256 || t.block_n % 16 != 0)
    return "sm80: block_n is not a multiple of 16 in 16 … 256";
  if (t.num_stages < 1 || t.num_stages > 4) return "sm80: num_stages is not in 1 … 4";
  if (t.rescale == Rescale::kOptimistic) return "sm80: rescale is kEager or kLazy";
  if (sm80_accumulators(config) + kSm80OtherRegisters > 255)
    return "sm80: the accumulators do not fit in 255 registers";
  if (!sm90_fields_at_defaults(t))
    return "sm80: a tiling field that sm80 has no use for is not at its default";
  return nullptr;
}

// Where to start: the widest tile whose accumulators leave room for fragments, which is 32 rows a
// warp up to head_dim_v 128 and 16 beyond; two CTAs on an SM, whose softmax and mma fill each
// other's gaps; a second stage where two CTAs still fit. All of these compile without a spill:
//
//   head_dim    9.0 (227 KB)               8.0 (163 KB)           8.6, 8.9, 12.x (99 KB)
//   64          128x64, 2 stages, Q in     the same               the same
//               registers
//   128         128x64, 2 stages           128x64, 1 stage        128x64, 1 stage, one CTA
//   256         64x64, 1 stage             64x64, 1 stage, one    64x64, 1 stage, one CTA
//                                          CTA
//
// Rows beyond seqlen_q are computed in vain: short queries get the 64-row tile.
constexpr Tiling default_sm80_tiling(const Problem& problem, const Arch& arch, int seqlen_q) {
  const bool narrow = padded_head_dim(problem.head_dim_v) > 128 || seqlen_q <= 64;
  KernelConfig config{.problem = problem,
                      .tiling = {.family = Family::kSm80,
                                 .block_m = narrow ? 64 : 128,
                                 .block_n = 64,
                                 .num_stages = 2,
                                 .num_warps = 4,
                                 .rescale = Rescale::kLazy},
                      .arch = arch};
  if (ctas_per_sm_by_smem(arch, sm80_smem_plan(config).total) < 2) config.tiling.num_stages = 1;
  if (sm80_smem_plan(config).total > max_smem_bytes(arch)) config.tiling.block_n = 32;
  if (sm80_smem_plan(config).total > max_smem_bytes(arch)) config.tiling.block_m = 64;
  return config.tiling;
}

}  // namespace flashjit
