// Plan of the sm90 family: one producer warpgroup that issues TMA and 1 … 4 consumer warpgroups of
// 64 query rows each. Tiles lie in shared memory as panels of 64 columns (128 bytes, the widest
// swizzle). A head dim that is no multiple of 64 leaves the end of its last panel to TMA's zero
// fill; of Q, K and O that panel is only as wide as a swizzle of 32 or 64 bytes where this is
// enough. V's are all 128 bytes: P·V reads across them in one wgmma, which has one swizzle.
#pragma once
#include "smem_plan.h"

namespace flashjit {

inline constexpr int kPanelColumns = 64;
inline constexpr int kPanelRowBytes = 128;
inline constexpr int kWarpgroupRows = 64;
inline constexpr int kSm90MaxConsumers = 4;  // warpgroups
inline constexpr int kMaxStagingPanels = 2;  // Epilogue::kStaged: panels of O in flight at once

constexpr int num_panels(int head_dim) { return ceil_div(head_dim, kPanelColumns); }

// Bytes of a row of Q, K or O in one panel of theirs, and in all.
constexpr int panel_row_bytes(int head_dim, int panel) {
  const int columns = head_dim - panel * kPanelColumns;
  return columns > 32 ? kPanelRowBytes : columns > 16 ? 64 : 32;
}
constexpr int last_panel_row_bytes(int head_dim) {
  return panel_row_bytes(head_dim, num_panels(head_dim) - 1);
}
constexpr int row_bytes(int head_dim) {
  return (num_panels(head_dim) - 1) * kPanelRowBytes + last_panel_row_bytes(head_dim);
}
// True when a warp's rows of O lie on its own rows of Q, panel by panel: then it may stage O there
// while other warps still read theirs.
constexpr bool covers_own_rows(int head_dim_v, int head_dim_qk) {
  for (int panel = 0; panel < num_panels(head_dim_v); ++panel) {
    if (panel == num_panels(head_dim_qk) ||
        panel_row_bytes(head_dim_v, panel) != panel_row_bytes(head_dim_qk, panel))
      return false;
  }
  return true;
}
// Where the last panel has a tensor map of its own.
constexpr bool has_narrow_panel(int head_dim) {
  return last_panel_row_bytes(head_dim) < kPanelRowBytes;
}

constexpr int sm90_num_warpgroups(const Tiling& t) { return t.num_warps / 4; }  // consumers

// Query rows of a tile of the schedule: one block_m for each CTA of a cluster.
constexpr int sm90_tile_rows(const Tiling& t) { return t.block_m * t.cluster_size; }

// One CTA of a cluster takes tiles from the counter and tells the others.
constexpr bool sm90_shares_counter(const Tiling& t) {
  return t.cluster_size > 1 && t.schedule == Schedule::kDynamic;
}

// row_sum_by_mma: where the eight columns of ones stand. Behind the head dim in V's last panel,
// where that has room; else in a panel of their own.
constexpr bool sm90_ones_beside_v(const KernelConfig& config) {
  return config.tiling.row_sum_by_mma && config.problem.head_dim_v % kPanelColumns != 0;
}
constexpr bool sm90_ones_in_panel(const KernelConfig& config) {
  return config.tiling.row_sum_by_mma && config.problem.head_dim_v % kPanelColumns == 0;
}

// Columns of P·V, the N of its wgmma: with row_sum_by_mma eight more, all equal to the row sum.
constexpr int sm90_output_columns(const KernelConfig& config) {
  return config.problem.head_dim_v + (config.tiling.row_sum_by_mma ? 8 : 0);
}

constexpr int sm90_staging_panels(const KernelConfig& config) {
  const int panels = num_panels(config.problem.head_dim_v);
  return panels < kMaxStagingPanels ? panels : kMaxStagingPanels;
}
constexpr int sm90_staging_row_bytes(const KernelConfig& config) {
  const int bytes = row_bytes(config.problem.head_dim_v);
  const int widest = sm90_staging_panels(config) * kPanelRowBytes;
  return bytes < widest ? bytes : widest;
}

// From a stage of K to the next: the 128-byte swizzle repeats after 1024 bytes.
constexpr int sm90_k_stage_bytes(const KernelConfig& config) {
  return round_up(config.tiling.block_n * row_bytes(config.problem.head_dim_qk), 1024);
}

// Registers of a consumer thread that hold S, P and O.
constexpr int sm90_accumulators(const KernelConfig& config) {
  const Tiling& t = config.tiling;
  return t.block_n / 2 + (t.probs_in_smem ? 0 : t.block_n / 4) + sm90_output_columns(config) / 2;
}

// What a consumer thread needs beside them; measured: 26 spare registers compile without a spill,
// 24 do not.
inline constexpr int kSm90OtherRegisters = 26;

// Registers per thread that a launch of `warpgroups` warpgroups gets: setmaxnreg shifts them among
// the warpgroups, whose sum must not exceed warpgroups times this.
constexpr int sm90_launch_regs(int warpgroups) {
  const int regs = 65536 / (128 * warpgroups) / 8 * 8;
  return regs < 255 ? regs : 255;
}

// How setmaxnreg divides them between the producer and each of the consumers: the producer keeps
// the least that it compiles with unspilled. {0, 0}: it does not; one consumer has enough.
struct Sm90Registers {
  int producer = 0;
  int consumer = 0;
};
constexpr Sm90Registers sm90_registers(int consumers) {
  if (consumers < 2 || consumers > kSm90MaxConsumers) return {};
  const int producer = consumers == 2 ? 40 : 32;
  const int rest = sm90_launch_regs(consumers + 1) * (consumers + 1) - producer;
  const int consumer = rest / consumers / 8 * 8;
  return {producer, consumer < 240 ? consumer : 240};
}

constexpr SmemPlan sm90_smem_plan(const KernelConfig& config) {
  const Tiling& t = config.tiling;
  const int v_row_bytes = num_panels(config.problem.head_dim_v) * kPanelRowBytes;
  SmemPlan plan;
  plan.add(SmemRegion::kQ, t.num_q_stages * t.block_m * row_bytes(config.problem.head_dim_qk));
  plan.add(SmemRegion::kK, t.num_stages * sm90_k_stage_bytes(config));
  plan.add(SmemRegion::kV, t.num_stages * t.block_n * v_row_bytes);
  if (t.probs_in_smem)
    plan.add(SmemRegion::kProbs, t.block_m * num_panels(t.block_n) * kPanelRowBytes);
  if (sm90_ones_in_panel(config)) plan.add(SmemRegion::kOnes, t.block_n * kPanelRowBytes);
  if (t.epilogue == Epilogue::kStaged) {
    plan.add(SmemRegion::kOut, t.block_m * sm90_staging_row_bytes(config));
  }
  const bool shares = sm90_shares_counter(t);
  plan.add(SmemRegion::kBarriers, 8 * (2 * t.num_q_stages + 4 * t.num_stages + (shares ? 2 : 0)));
  plan.add(SmemRegion::kTileInfo, 16 * t.num_q_stages);
  if (shares) plan.add(SmemRegion::kNextTile, 4);
  return plan;
}

constexpr const char* sm90_why_illegal_registers(const KernelConfig& config) {
  const Tiling& t = config.tiling;
  const int consumers = sm90_num_warpgroups(t);
  const int launch_regs = sm90_launch_regs(consumers + 1);
  if (t.consumer_regs == 0 && t.producer_regs == 0) {
    return sm90_accumulators(config) + kSm90OtherRegisters <= launch_regs
               ? nullptr
               : "sm90: the accumulators do not fit in the registers of a launch";
  }
  if (consumers == 1) return "sm90: one consumer warpgroup needs no setmaxnreg";
  if (t.producer_regs < 24 || t.producer_regs % 8 != 0 || t.producer_regs > launch_regs)
    return "sm90: producer_regs is not a multiple of 8 from 24 to the launch's registers";
  if (t.consumer_regs < launch_regs || t.consumer_regs % 8 != 0 || t.consumer_regs > 240)
    return "sm90: consumer_regs is not a multiple of 8 from the launch's registers to 240";
  if (t.producer_regs + consumers * t.consumer_regs > (consumers + 1) * launch_regs)
    return "sm90: producer_regs and consumer_regs add up to more than a launch gets";
  if (sm90_accumulators(config) + kSm90OtherRegisters > t.consumer_regs)
    return "sm90: the accumulators do not fit in consumer_regs";
  return nullptr;
}

constexpr const char* sm90_why_illegal(const KernelConfig& config) {
  const Tiling& t = config.tiling;
  const Problem& p = config.problem;
  if (p.dtype == Dtype::kFp32) return "sm90: fp16 and bf16 only";
  if (config.arch != Arch{9, 0, true}) return "sm90 kernels need arch sm_90a";
  if (t.num_warps < 4 || t.num_warps > 4 * kSm90MaxConsumers || t.num_warps % 4 != 0)
    return "sm90: num_warps is not 4, 8, 12 or 16";
  if (t.block_m != 16 * t.num_warps) return "sm90: block_m is not 16 rows for each warp";
  if (t.block_n < 16 || t.block_n > 256 || t.block_n % 16 != 0)
    return "sm90: block_n is not a multiple of 16 in 16 … 256";
  if (t.num_stages < 1 || t.num_stages > 8) return "sm90: num_stages is not in 1 … 8";
  if (t.num_q_stages < 1 || t.num_q_stages > 2) return "sm90: num_q_stages is not 1 or 2";
  if (t.ping_pong && t.num_warps < 8) return "sm90: ping_pong needs two consumer warpgroups";
  if (sm90_ones_in_panel(config) && p.head_dim_v != kPanelColumns)
    return "sm90: row_sum_by_mma needs head_dim_v 64 or one that is no multiple of it";
  if (t.row_sum_by_mma && p.return_lse) return "sm90: row_sum_by_mma gives no LSE output";
  if (t.cluster_size != 1 && t.cluster_size != 2) return "sm90: cluster_size is not 1 or 2";
  if (t.epilogue == Epilogue::kThroughQ &&
      (t.num_q_stages != 2 || !covers_own_rows(p.head_dim_v, p.head_dim_qk)))
    return "sm90: an epilogue through Q needs two Q stages and panels of Q as wide as those of O";
  return sm90_why_illegal_registers(config);
}

}  // namespace flashjit
