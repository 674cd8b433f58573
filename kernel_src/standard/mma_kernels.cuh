// The two GEMMs of the standard family in 16 bits: scores and output on tensor cores, with the
// tiles of the sm80 kernel. 128x64 tiles, 8 warps of 16 rows. Called by standard/kernels.cuh.
#pragma once
#include "attention/recompute.cuh"
#include "standard/workspace.cuh"
#include "tile/async_copy.cuh"
#include "tile/mma_gemm.cuh"
#include "tile/store_rows.cuh"

namespace flashjit {

// S of one tile. All threads have met before: the shared memory is free.
template <KernelConfig kConfig>
__device__ __forceinline__ void mma_scores_tile(const Workspace<kConfig>& space,
                                                const TileCoord& tile,
                                                int n_block) {
  constexpr Dtype kDtype = kConfig.problem.dtype;
  constexpr int kBlockM = kConfig.tiling.block_m;
  constexpr int kBlockN = kConfig.tiling.block_n;
  constexpr int kHeadDim = kConfig.problem.head_dim_qk;
  using QTile = AsyncTile<kBlockM, kHeadDim, num_threads(kConfig)>;
  using KTile = AsyncTile<kBlockN, kHeadDim, num_threads(kConfig)>;
  const FwdParams& params = space.params;
  const int first_row = tile.m_block * kBlockM;
  const int first_key = n_block * kBlockN;
  const int kv_head = tile.head / params.heads_per_kv;
  const u32 smem_q = ptx::dynamic_smem();
  const u32 smem_k = smem_q + QTile::kBytes;
  QTile(row_address<kDtype>(params.q, params.q_stride, tile.batch, 0, tile.head),
        params.q_stride.seq * 2)
      .template load<true>(smem_q, first_row, params.seqlen_q);
  KTile(row_address<kDtype>(params.k, params.k_stride, tile.batch, 0, kv_head),
        params.k_stride.seq * 2)
      .template load<true>(smem_k, first_key, params.seqlen_kv);
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  __syncthreads();

  const int lane = int(threadIdx.x) % 32;
  const int warp_row = int(threadIdx.x) / 32 * 16;
  const SmemOperand<Operand::kA, QTile::kChunks> q(smem_q + u32(warp_row) * QTile::Layout::kPitch,
                                                   lane);
  const SmemOperand<Operand::kTransposedB, KTile::kChunks> k(smem_k, lane);
  float s[1][kBlockN / 2] = {};
  mma_gemm<kDtype, QTile::kChunks / 2>(
      s, k, [&](u32(&a)[1][4], int step) { q.load(a[0], 0, step); });
#pragma unroll
  for (int i = 0; i < kBlockN / 2; ++i) s[0][i] *= params.softmax_scale;

  const i64 pair = i64(tile.batch) * params.num_heads_q + tile.head;
  const i64 row = pair * params.seqlen_q + first_row + warp_row;
  const int num_rows = min_of(16, params.seqlen_q - first_row - warp_row);
  if constexpr (Workspace<kConfig>::kScoreDtype == Dtype::kFp32) {
#pragma unroll
    for (int i = 0; i < kBlockN / 2; ++i) {
      const int r = lane / 4 + 8 * (i / 2 % 2);
      const int col = first_key + 8 * (i / 4) + 2 * (lane % 4) + i % 2;
      if (r < num_rows) reinterpret_cast<float*>(space.row(row + r))[col] = s[0][i];
    }
  } else {
    constexpr int kChunks = kBlockN / 8;
    __syncthreads();  // S overwrites Q and K
    const u32 smem_s = smem_q + u32(warp_row) * Swizzle<kChunks>::kPitch;
    stage_rows<kDtype, kChunks>(smem_s, 0, s[0]);
    __syncwarp();
    store_rows<kChunks, kChunks>(
        space.row(row) + i64(first_key) * 2, space.row_bytes, smem_s, num_rows);
  }
}

// O of block_m rows: P and V come in steps of block_n keys, two stages of cp.async.
//
//   what a step waits for                      who            how
//   P[j], V[j] have landed, and all threads    every thread   cp.async group, __syncthreads
//   are done with the stage that is next
template <KernelConfig kConfig>
__device__ __forceinline__ void mma_output_tile(const Workspace<kConfig>& space,
                                                const TileCoord& tile) {
  constexpr Dtype kDtype = kConfig.problem.dtype;
  constexpr int kBlockM = kConfig.tiling.block_m;
  constexpr int kBlockN = kConfig.tiling.block_n;
  constexpr int kHeadDim = kConfig.problem.head_dim_v;
  using PTile = AsyncTile<kBlockM, kBlockN, num_threads(kConfig)>;
  using VTile = AsyncTile<kBlockN, kHeadDim, num_threads(kConfig)>;
  const FwdParams& params = space.params;
  const int first_row = tile.m_block * kBlockM;
  const i64 pair = i64(tile.batch) * params.num_heads_q + tile.head;
  const u32 smem_p = ptx::dynamic_smem();
  const u32 smem_v = smem_p + 2 * PTile::kBytes;
  const char* p_rows = space.row(pair * params.seqlen_q);
  const VTile v_tile(row_address<kDtype>(
                         params.v, params.v_stride, tile.batch, 0, tile.head / params.heads_per_kv),
                     params.v_stride.seq * 2);
  const int num_blocks = space.num_blocks(tile.m_block);
  auto start = [&](int n_block) {
    if (n_block < num_blocks) {
      const u32 stage = u32(n_block % 2);
      PTile(p_rows + i64(n_block) * kBlockN * 2, space.row_bytes)
          .template load<true>(smem_p + stage * PTile::kBytes, first_row, params.seqlen_q);
      v_tile.template load<true>(
          smem_v + stage * VTile::kBytes, n_block * kBlockN, params.seqlen_kv);
    }
    ptx::cp_async_commit();
  };

  const int lane = int(threadIdx.x) % 32;
  const int warp_row = int(threadIdx.x) / 32 * 16;
  float o[1][VTile::kChunks * 4] = {};
  start(0);
  for (int n_block = 0; n_block < num_blocks; ++n_block) {
    ptx::cp_async_wait<0>();
    __syncthreads();
    start(n_block + 1);
    const u32 stage = u32(n_block % 2);
    const SmemOperand<Operand::kA, PTile::kChunks> p(
        smem_p + stage * PTile::kBytes + u32(warp_row) * PTile::Layout::kPitch, lane);
    const SmemOperand<Operand::kPlainB, VTile::kChunks> v(smem_v + stage * VTile::kBytes, lane);
    mma_gemm<kDtype, kBlockN / 16>(o, v, [&](u32(&a)[1][4], int step) { p.load(a[0], 0, step); });
  }

  ptx::cp_async_wait<0>();
  __syncthreads();  // O overwrites P and V
  const int num_rows = min_of(16, params.seqlen_q - first_row - warp_row);
  const u32 smem_o = smem_p + u32(warp_row) * VTile::Layout::kPitch;
  stage_rows<kDtype, VTile::kChunks>(smem_o, 0, o[0]);
  __syncwarp();
  store_rows<VTile::kChunks, kHeadDim / 8>(
      row_address<kDtype>(params.o, params.o_stride, tile.batch, first_row + warp_row, tile.head),
      params.o_stride.seq * 2,
      smem_o,
      num_rows);
  // A NaN of V may have reached rows that do not see it, as 0 · NaN.
  const bool finite = all_finite(o[0]);
  if (kConfig.problem.mask == MaskKind::kCausal && __any_sync(0xffffffffu, !finite)) {
    for (int r = 0; r < num_rows; ++r)
      recompute_row<kConfig>(params, tile, first_row + warp_row + r);
  }
}

}  // namespace flashjit
