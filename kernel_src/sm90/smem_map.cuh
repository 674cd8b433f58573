// Where everything stands in a CTA's shared memory (plan.h as addresses), how the K/V ring and the
// Q buffers are counted, and the descriptors by which wgmma finds the tiles.
#pragma once
#include "fwd_params.h"
#include "ptx/cluster.h"
#include "ptx/mbarrier.h"
#include "sm90/plan.h"

namespace flashjit {

// Position in a ring of kStages buffers: a count that only grows. Buffer = count mod kStages; the
// parity of its barriers changes with each round.
template <int kStages>
struct Ring {
  static __device__ __forceinline__ u32 stage(int position) { return u32(position) % kStages; }
  static __device__ __forceinline__ u32 phase(int position) { return u32(position) / kStages & 1; }
};

// Ranks in the cluster of the CTAs that load K and V for all of it, and of the one that takes tiles
// from the counter.
inline constexpr u32 kKLoader = 0, kVLoader = 1, kTileTaker = 0;

template <KernelConfig kConfig>
struct SmemMap {
  static constexpr SmemPlan kPlan = sm90_smem_plan(kConfig);
  static constexpr Tiling kTiling = kConfig.tiling;
  static constexpr int kStages = kTiling.num_stages;
  static constexpr int kQStages = kTiling.num_q_stages;
  static constexpr u32 kQBytes = kPlan.size(SmemRegion::kQ) / kQStages;  // of one stage
  static constexpr u32 kKBytes = kPlan.size(SmemRegion::kK) / kStages;
  static constexpr u32 kVBytes = kPlan.size(SmemRegion::kV) / kStages;
  // What TMA writes of a stage.
  static constexpr u32 kKLoadBytes = kTiling.block_n * row_bytes(kConfig.problem.head_dim_qk);
  static constexpr u32 kVLoadBytes =
      sm90_ones_beside_v(kConfig) ? kTiling.block_n * kConfig.problem.head_dim_v * 2 : kVBytes;
  static constexpr u32 kWarpgroupBytes = kWarpgroupRows * kPanelRowBytes;  // of one panel
  static constexpr u32 kWarpgroupQBytes = kWarpgroupRows * row_bytes(kConfig.problem.head_dim_qk);

  u32 base;

  // The same map of another CTA's shared memory.
  __device__ __forceinline__ SmemMap in_cta(u32 rank) const {
    if constexpr (kTiling.cluster_size == 1) return *this;
    return {ptx::map_shared(base, rank)};
  }
  template <SmemRegion kRegion>
  __device__ __forceinline__ u32 at() const {
    constexpr u32 kOffset = kPlan.at(kRegion);  // a constant also where kPlan has no address
    return base + kOffset;
  }
  // Each warpgroup's 64 rows have panels of their own.
  __device__ __forceinline__ u32 q(u32 stage, int warpgroup) const {
    return at<SmemRegion::kQ>() + stage * kQBytes + warpgroup * kWarpgroupQBytes;
  }
  __device__ __forceinline__ u32 k(u32 stage) const {
    return at<SmemRegion::kK>() + stage * kKBytes;
  }
  __device__ __forceinline__ u32 v(u32 stage) const {
    return at<SmemRegion::kV>() + stage * kVBytes;
  }
  // P of a warpgroup; probs_in_smem.
  __device__ __forceinline__ u32 probs(int warpgroup) const {
    return at<SmemRegion::kProbs>() +
           warpgroup * (num_panels(kTiling.block_n) * int(kWarpgroupBytes));
  }
  // {m_block or -1, num_blocks, head, batch} of the tile whose Q is in `stage`.
  __device__ __forceinline__ u32 tile_info(u32 stage) const {
    return at<SmemRegion::kTileInfo>() + 16 * stage;
  }
  // Number of the cluster's next tile, from the CTA that takes them; sm90_shares_counter().
  __device__ __forceinline__ u32 next_tile() const { return at<SmemRegion::kNextTile>(); }

  __device__ __forceinline__ u32 q_full(u32 stage) const { return barrier(0, stage); }
  __device__ __forceinline__ u32 q_empty(u32 stage) const { return barrier(kQStages, stage); }
  __device__ __forceinline__ u32 k_full(u32 stage) const { return barrier(2 * kQStages, stage); }
  __device__ __forceinline__ u32 k_empty(u32 stage) const {
    return barrier(2 * kQStages + kStages, stage);
  }
  __device__ __forceinline__ u32 v_full(u32 stage) const {
    return barrier(2 * kQStages + 2 * kStages, stage);
  }
  __device__ __forceinline__ u32 v_empty(u32 stage) const {
    return barrier(2 * kQStages + 3 * kStages, stage);
  }
  __device__ __forceinline__ u32 next_full() const {
    return barrier(2 * kQStages + 4 * kStages, 0);
  }
  __device__ __forceinline__ u32 next_empty() const {
    return barrier(2 * kQStages + 4 * kStages, 1);
  }

 private:
  __device__ __forceinline__ u32 barrier(int first, u32 stage) const {
    return at<SmemRegion::kBarriers>() + 8 * (first + stage);
  }
};

__device__ __forceinline__ void wait_barrier(u32 bar, u32 phase) {
  while (!ptx::mbarrier_try_wait_parity(bar, phase)) {
  }
}

__device__ __forceinline__ void wait_cluster_barrier(u32 bar, u32 phase) {
  while (!ptx::mbarrier_try_wait_parity_cluster(bar, phase)) {
  }
}

// Keeps `x`, equal in all lanes, in a uniform register: where ptxas cannot prove a loop counter or
// an address uniform it moves every descriptor through R2UR, 13 – 48 a step, 5 – 8 % of the time.
__device__ __forceinline__ int uniform(int x) { return __shfl_sync(0xffffffffu, x, 0); }
__device__ __forceinline__ u32 uniform(u32 x) { return __shfl_sync(0xffffffffu, x, 0); }

}  // namespace flashjit
