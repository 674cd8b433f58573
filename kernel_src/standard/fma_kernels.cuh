// The two GEMMs of the standard family in fp32: scores and output with the FMA loops of
// tile/fma_gemm.cuh. Called by standard/kernels.cuh.
#pragma once
#include "standard/workspace.cuh"
#include "tile/fma_gemm.cuh"

namespace flashjit {

// S of one tile.
template <KernelConfig kConfig>
__device__ __forceinline__ void fma_scores_tile(const Workspace<kConfig>& space,
                                                const TileCoord& tile,
                                                int n_block) {
  constexpr int kBlock = kConfig.tiling.block_m;
  constexpr int kHeadDim = kConfig.problem.head_dim_qk;
  constexpr int kElement = 4;
  const FwdParams& params = space.params;
  const int first_row = tile.m_block * kBlock;
  const int first_key = n_block * kBlock;
  const int kv_head = tile.head / params.heads_per_kv;
  const u32 smem_q = ptx::dynamic_smem();
  const u32 smem_k = smem_q + kBlock * kHeadDim * kElement;
  load_tile<Dtype::kFp32, kBlock, kHeadDim, true>(
      smem_q,
      row_address<Dtype::kFp32>(params.q, params.q_stride, tile.batch, first_row, tile.head),
      params.q_stride.seq * kElement,
      params.seqlen_q - first_row);
  load_tile<Dtype::kFp32, kBlock, kHeadDim, true>(
      smem_k,
      row_address<Dtype::kFp32>(params.k, params.k_stride, tile.batch, first_key, kv_head),
      params.k_stride.seq * kElement,
      params.seqlen_kv - first_key);
  __syncthreads();
  float acc[kBlock / 16][kBlock / 16] = {};
  fma_gemm_nt<Dtype::kFp32, kHeadDim>(acc, smem_q, smem_k);
  const i64 pair = i64(tile.batch) * params.num_heads_q + tile.head;
#pragma unroll
  for (int i = 0; i < kBlock / 16; ++i) {
    const int row = first_row + int(threadIdx.x) / 16 + 16 * i;
    if (row >= params.seqlen_q) continue;
    float* dst = reinterpret_cast<float*>(space.row(pair * params.seqlen_q + row));
#pragma unroll
    for (int j = 0; j < kBlock / 16; ++j)
      dst[first_key + int(threadIdx.x) % 16 + 16 * j] = acc[i][j] * params.softmax_scale;
  }
}

// O of block_m rows.
template <KernelConfig kConfig>
__device__ __forceinline__ void fma_output_tile(const Workspace<kConfig>& space,
                                                const TileCoord& tile) {
  constexpr int kBlock = kConfig.tiling.block_m;
  constexpr int kHeadDim = kConfig.problem.head_dim_v;
  using Output = FmaOutput<Dtype::kFp32, kBlock, kHeadDim>;
  using Probs = ScoreTile<kBlock>;
  const FwdParams& params = space.params;
  const int first_row = tile.m_block * kBlock;
  const int kv_head = tile.head / params.heads_per_kv;
  const i64 pair = i64(tile.batch) * params.num_heads_q + tile.head;
  const u32 smem_p = ptx::dynamic_smem();
  const u32 smem_v = smem_p + kBlock * kBlock * 4;
  Output out;
  const int num_blocks = space.num_blocks(tile.m_block);
  for (int n_block = 0; n_block < num_blocks; ++n_block) {
    const int first_key = n_block * kBlock;
    __syncthreads();  // P and V of the step before have been read
    for (int i = int(threadIdx.x); i < kBlock * Probs::kChunks; i += kFmaThreads) {
      const int row = i / Probs::kChunks;
      const int chunk = i % Probs::kChunks;
      U32x4 data = {0, 0, 0, 0};
      if (first_row + row < params.seqlen_q) {
        const char* src = space.row(pair * params.seqlen_q + first_row + row);
        data = reinterpret_cast<const U32x4*>(src + i64(first_key) * 4)[chunk];
      }
      ptx::st_shared_v4(smem_p + Probs::chunk_offset(row, chunk), data);
    }
    load_tile<Dtype::kFp32, kBlock, kHeadDim, true>(
        smem_v,
        row_address<Dtype::kFp32>(params.v, params.v_stride, tile.batch, first_key, kv_head),
        params.v_stride.seq * 4,
        params.seqlen_kv - first_key);
    __syncthreads();
    int limit[Output::kRows];
#pragma unroll
    for (int i = 0; i < Output::kRows; ++i) {
      const int row = first_row + Output::row() + i * Output::kRowThreads;
      limit[i] = space.mask.row_limit(row) - first_key;
    }
    if (n_block < space.mask.num_full_blocks(first_row, kBlock)) {
      out.template accumulate<kBlock, false>(smem_p, smem_v, limit);
    } else {
      out.template accumulate<kBlock, true>(smem_p, smem_v, limit);
    }
  }
#pragma unroll
  for (int i = 0; i < Output::kRows; ++i) {
    const int row = first_row + Output::row() + i * Output::kRowThreads;
    if (Output::owns_rows() && row < params.seqlen_q) {
      out.store_row(
          i, row_address<Dtype::kFp32>(params.o, params.o_stride, tile.batch, row, tile.head));
    }
  }
}

}  // namespace flashjit
