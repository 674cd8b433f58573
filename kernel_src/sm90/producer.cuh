// The producer: one thread that walks the CTA's tiles and keeps Q buffers and the K/V ring filled
// by TMA, for consumers that it never meets but at mbarriers (table in mainloop.cuh). In a cluster
// the CTAs walk the same tiles, each with its own rows; one loads K and another V, for both.
#pragma once
#include "attention/sm90_scheduler.cuh"
#include "profiler.cuh"
#include "ptx/shared_memory.h"
#include "ptx/tma.h"
#include "sm90/smem_map.cuh"

namespace flashjit {

// One box, into this CTA or, by multicast, into all `kCtas` of the cluster.
template <int kCtas>
__device__ __forceinline__ void load_box(u32 dst,
                                         const TensorMap& map,
                                         u32 bar,
                                         int column,
                                         int row,
                                         int head,
                                         int batch,
                                         u64 l2_policy) {
  if constexpr (kCtas == 1) {
    ptx::tma_load_5d(dst, &map, bar, column, row, 0, head, batch, l2_policy);
  } else {
    constexpr u32 kAll = (1u << kCtas) - 1;
    ptx::tma_load_5d_multicast(dst, &map, bar, column, row, 0, head, batch, kAll, l2_policy);
  }
}

// Loads rows [row, row + kRows) of one head into panels. Whole panels come in one box {64, kRows,
// panels}; else panel by panel, so that columns past head_dim are outside of the tensor and read as
// zeros (in the five-dimensional view they would be the next head's). `tail` is the map of the last
// one: `map` itself, or one of a narrower panel, or one that leaves out the columns past head_dim.
template <int kHeadDim, int kRows, int kCtas = 1>
__device__ __forceinline__ void load_panels(u32 dst,
                                            const TensorMap& map,
                                            const TensorMap& tail,
                                            u32 bar,
                                            int row,
                                            int head,
                                            int batch,
                                            u64 l2_policy) {
  if constexpr (kHeadDim % kPanelColumns == 0) {
    load_box<kCtas>(dst, map, bar, 0, row, head, batch, l2_policy);
  } else {
    constexpr int kLast = num_panels(kHeadDim) - 1;
#pragma unroll
    for (int i = 0; i <= kLast; ++i) {
      load_box<kCtas>(dst + i * (kRows * kPanelRowBytes),
                      i < kLast ? map : tail,
                      bar,
                      i * kPanelColumns,
                      row,
                      head,
                      batch,
                      l2_policy);
    }
  }
}

template <KernelConfig kConfig>
struct Sm90Producer {
  using Smem = SmemMap<kConfig>;
  using KvRing = Ring<kConfig.tiling.num_stages>;
  using QRing = Ring<kConfig.tiling.num_q_stages>;
  static constexpr Problem kProblem = kConfig.problem;
  static constexpr Tiling kTiling = kConfig.tiling;
  static constexpr int kBlockM = kTiling.block_m;
  static constexpr int kBlockN = kTiling.block_n;
  static constexpr int kCtas = kTiling.cluster_size;
  static constexpr int kTileRows = sm90_tile_rows(kTiling);

  const Sm90FwdParams& params;
  Smem smem;
  int rank = kCtas == 1 ? 0 : int(ptx::cluster_rank());
  TileCoord tile{};  // of the cluster
  int kv_head = 0;
  int kv_position = 0;  // in the K/V ring, of the tile's first block
  Profiler<kConfig> profiler{params.fwd, 0, true};

  // Q is read once, K and V by every tile of their head.
  __device__ __forceinline__ void load_q(u32 stage) const {
    ptx::mbarrier_arrive_expect_tx(smem.q_full(stage), Smem::kQBytes);
#pragma unroll
    for (int warpgroup = 0; warpgroup < sm90_num_warpgroups(kTiling); ++warpgroup) {
      load_panels<kProblem.head_dim_qk, kWarpgroupRows>(
          smem.q(stage, warpgroup),
          params.q,
          has_narrow_panel(kProblem.head_dim_qk) ? params.q_tail : params.q,
          smem.q_full(stage),
          m_block() * kBlockM + warpgroup * kWarpgroupRows,
          tile.head,
          tile.batch,
          ptx::kEvictFirst);
    }
  }
  // Waits for the buffer of `position` and tells its full barrier what will come. False where
  // another CTA of the cluster loads it: that one waits until the buffer is free in all CTAs; here
  // the barrier must only have completed its round before.
  __device__ __forceinline__ bool prepare_load(
      u32 loader, u32 empty, u32 full, int position, u32 bytes) const {
    const bool is_loader = kCtas == 1 || u32(rank) == loader;
    wait_barrier(is_loader ? empty : full, KvRing::phase(position) ^ 1);
    ptx::mbarrier_arrive_expect_tx(full, bytes);
    return is_loader;
  }
  __device__ __forceinline__ void load_k(int n_block, int position) const {
    const u32 stage = KvRing::stage(position), full = smem.k_full(stage);
    if (!prepare_load(kKLoader, smem.k_empty(stage), full, position, Smem::kKLoadBytes)) return;
    load_panels<kProblem.head_dim_qk, kBlockN, kCtas>(
        smem.k(stage),
        params.k,
        has_narrow_panel(kProblem.head_dim_qk) ? params.k_tail : params.k,
        full,
        n_block * kBlockN,
        kv_head,
        tile.batch,
        ptx::kEvictLast);
  }
  __device__ __forceinline__ void load_v(int n_block, int position) const {
    const u32 stage = KvRing::stage(position), full = smem.v_full(stage);
    if (!prepare_load(kVLoader, smem.v_empty(stage), full, position, Smem::kVLoadBytes)) return;
    load_panels<kProblem.head_dim_v, kBlockN, kCtas>(
        smem.v(stage),
        params.v,
        sm90_ones_beside_v(kConfig) ? params.v_tail : params.v,
        full,
        n_block * kBlockN,
        kv_head,
        tile.batch,
        ptx::kEvictLast);
  }

  // Of this CTA.
  __device__ __forceinline__ int m_block() const { return tile.m_block * kCtas + rank; }

  // Blocks of keys that any row of the cluster's tile sees; at least one, so that a tile that sees
  // nothing takes the same way as all others.
  __device__ __forceinline__ int num_blocks() const {
    const Mask<kProblem.mask> mask{params.fwd.seqlen_kv, params.fwd.diagonal};
    const int last_row = min_of(tile.m_block * kTileRows + kTileRows, params.fwd.seqlen_q) - 1;
    return max_of(1, mask.num_blocks(last_row, kBlockN));
  }

  __device__ __forceinline__ int num_takers() const { return int(gridDim.x) / kCtas; }
  __device__ __forceinline__ TileCounter counter() const {
    return {static_cast<int*>(params.fwd.workspace), num_takers()};
  }
  __device__ __forceinline__ bool takes_tiles() const {
    return kCtas == 1 || u32(rank) == kTileTaker;
  }
  // The number of the next tile; kDynamic in a cluster: only in the CTA that takes it, for all.
  __device__ __forceinline__ int take_tile(int tile_idx) const {
    if constexpr (kTiling.schedule == Schedule::kOneTile) return params.schedule.num_tiles;
    if constexpr (kTiling.schedule == Schedule::kStatic) return tile_idx + num_takers();
    return takes_tiles() ? counter().next() : -1;
  }
  // kDynamic in a cluster: the number goes from the CTA that has taken it to the others, by a
  // barrier each way. `position` counts tiles.
  __device__ __forceinline__ void send_next(int taken, int position) const {
    if (!sm90_shares_counter(kTiling) || !takes_tiles()) return;
    wait_cluster_barrier(smem.next_empty(), Ring<1>::phase(position) ^ 1);
#pragma unroll
    for (int other = 1; other < kCtas; ++other) {
      const Smem there = smem.in_cta(u32(other));
      ptx::st_async_u32(there.next_tile(), u32(taken), there.next_full());
    }
  }
  __device__ __forceinline__ int receive_next(int taken, int position) const {
    if (!sm90_shares_counter(kTiling) || takes_tiles()) return taken;
    ptx::mbarrier_arrive_expect_tx(smem.next_full(), 4);
    wait_cluster_barrier(smem.next_full(), Ring<1>::phase(position));
    const int next = int(ptx::ld_shared_u32(smem.next_tile()));
    ptx::mbarrier_arrive_release_cluster(smem.in_cta(kTileTaker).next_empty());
    return next;
  }

  // The tile's number travels with its Q barrier, so the schedule needs no barrier of its own.
  __device__ __forceinline__ void publish_tile(u32 stage, int m_block, int blocks) const {
    ptx::st_shared_v4(smem.tile_info(stage),
                      {u32(m_block), u32(blocks), u32(tile.head), u32(tile.batch)});
  }

  // The order of loads is the order of use: K of a block, then V of the block before.
  __device__ __forceinline__ void run() {
    int tile_idx = int(blockIdx.x) / kCtas;
    int q_position = 0;
    for (; tile_idx < params.schedule.num_tiles; ++q_position) {
      tile = decode_scheduled_tile<kConfig>(params, tile_idx);
      kv_head = tile.head / params.fwd.heads_per_kv;
      const int blocks = num_blocks();
      profiler.begin_tile(m_block() * kBlockM, tile.head, tile.batch);
      profiler.mark(Stage::kLoadK, blocks - 1);
      load_k(blocks - 1, kv_position);
      profiler.mark(Stage::kLoadQ);
      const u32 q_stage = QRing::stage(q_position);
      wait_barrier(smem.q_empty(q_stage), QRing::phase(q_position) ^ 1);
      publish_tile(q_stage, m_block(), blocks);
      load_q(q_stage);
      const int taken = take_tile(tile_idx);  // its latency hides behind the loads below
#pragma unroll 1
      for (int i = 1; i < blocks; ++i) {
        profiler.mark(Stage::kLoadK, blocks - 1 - i);
        load_k(blocks - 1 - i, kv_position + i);
        profiler.mark(Stage::kLoadV, blocks - i);
        load_v(blocks - i, kv_position + i - 1);
      }
      send_next(taken, q_position);
      profiler.mark(Stage::kLoadV, 0);
      load_v(0, kv_position + blocks - 1);
      tile_idx = receive_next(taken, q_position);
      kv_position += blocks;
    }
    const u32 q_stage = QRing::stage(q_position);
    wait_barrier(smem.q_empty(q_stage), QRing::phase(q_position) ^ 1);
    publish_tile(q_stage, -1, 0);
    ptx::mbarrier_arrive(smem.q_full(q_stage));
    profiler.finish();
    if constexpr (kTiling.schedule == Schedule::kDynamic) {
      if (takes_tiles()) counter().leave();
    }
  }
};

}  // namespace flashjit
