// Forward on tensor cores through mma.sync, for every arch from 8.0 on: one CTA per tile of block_m
// query rows, 16 or 32 of them for each warp. The generated kernel calls fwd_sm80(); the grid is
// num_ctas() in variant_plan.h, the tilings to start from stand in sm80/plan.h.
#pragma once
#include "attention/recompute.cuh"
#include "attention/scheduler.cuh"
#include "sm80/mainloop.cuh"
#include "tile/store_rows.cuh"

namespace flashjit {

template <KernelConfig kConfig>
__device__ __forceinline__ void fwd_sm80(const FwdParams& params) {
  using Mainloop = Sm80Mainloop<kConfig>;
  using Ring = KvRing<kConfig>;
  constexpr Dtype kDtype = kConfig.problem.dtype;
  constexpr int kBlockM = kConfig.tiling.block_m;
  constexpr int kElement = size_of(kDtype);
  using QTile = AsyncTile<kBlockM, kConfig.problem.head_dim_qk, num_threads(kConfig)>;

  const u32 smem = ptx::dynamic_smem();
  const u32 smem_q = smem + smem_plan(kConfig).at(SmemRegion::kQ);
  const TileCoord tile = decode_tile<kConfig>(params, u32(blockIdx.x));
  const int first_row = tile.m_block * kBlockM;
  const int kv_head = tile.head / params.heads_per_kv;
  const Mask<kConfig.problem.mask> mask{params.seqlen_kv, params.diagonal};
  const int num_blocks =
      mask.num_blocks(min_of(first_row + kBlockM, params.seqlen_q) - 1, kConfig.tiling.block_n);

  const QTile q(row_address<kDtype>(params.q, params.q_stride, tile.batch, 0, tile.head),
                params.q_stride.seq * kElement);
  q.template load<true>(smem_q, first_row, params.seqlen_q);
  ptx::cp_async_commit();
  Ring ring({row_address<kDtype>(params.k, params.k_stride, tile.batch, 0, kv_head),
             params.k_stride.seq * kElement},
            {row_address<kDtype>(params.v, params.v_stride, tile.batch, 0, kv_head),
             params.v_stride.seq * kElement},
            smem,
            params.seqlen_kv);
  ring.start(num_blocks);
  ptx::cp_async_wait<Ring::kPrologueGroups>();  // Q of this thread
  if (params.negate_q) q.negate(smem_q);
  __syncthreads();

  Mainloop mainloop(smem_q, params);
  mainloop.profiler.begin_tile(first_row + mainloop.warp_row, tile.head, tile.batch);
  mainloop.load_q();
  const bool tainted = mainloop.run(ring, mask, first_row, num_blocks);
  mainloop.profiler.mark(Stage::kEpilogue);

  ptx::cp_async_wait<0>();  // Q of a tile without blocks
  __syncthreads();          // O overwrites Q
  const int warp_row = first_row + mainloop.warp_row;
  const u32 smem_o = smem_q + u32(mainloop.warp_row) * Swizzle<Mainloop::kChunksV>::kPitch;
#pragma unroll
  for (int t = 0; t < Mainloop::kRowTiles; ++t) {
    float inverse[2], lse[2];
    finish(mainloop.rows[t], inverse, lse);
    rescale(mainloop.o[t], inverse);
    stage_rows<kDtype, Mainloop::kChunksV>(smem_o, 16 * t, mainloop.o[t]);
    if (kConfig.problem.return_lse && mainloop.lane % 4 == 0) {
      const i64 pair = i64(tile.batch) * params.num_heads_q + tile.head;
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int row = warp_row + 16 * t + mainloop.lane / 4 + 8 * r;
        if (row < params.seqlen_q) params.lse[pair * params.seqlen_q + row] = lse[r];
      }
    }
  }
  __syncwarp();
  const int num_rows = min_of(Mainloop::kRowsPerWarp, params.seqlen_q - warp_row);
  store_rows<Mainloop::kChunksV, kConfig.problem.head_dim_v / 8>(
      row_address<kDtype>(params.o, params.o_stride, tile.batch, warp_row, tile.head),
      params.o_stride.seq * kElement,
      smem_o,
      num_rows);
  if (tainted) {
    __syncwarp();  // other lanes stored what is stored again
    for (int row = 0; row < num_rows; ++row) recompute_row<kConfig>(params, tile, warp_row + row);
  }
  mainloop.profiler.finish();
}

}  // namespace flashjit
