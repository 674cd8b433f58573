// Standard attention, unfused: the six kernels of the baseline, in launch order standard_scores,
// standard_mask, standard_row_max, standard_exponentials, standard_normalize, standard_output. The
// table in standard/plan.h says who reads and writes what, and how each is launched.
#pragma once
#include "standard/fma_kernels.cuh"
#include "standard/mma_kernels.cuh"
#include "standard/row_kernels.cuh"

namespace flashjit {

// (m_block, head, batch) of tile number `tile` of num_m_blocks · heads · batch.
template <KernelConfig kConfig>
__device__ __forceinline__ TileCoord standard_tile(const FwdParams& params, i64 tile) {
  const int num_m_blocks = (params.seqlen_q - 1) / kConfig.tiling.block_m + 1;
  const i64 pair = tile / num_m_blocks;
  return {int(tile % num_m_blocks), int(pair % params.num_heads_q), int(pair / params.num_heads_q)};
}

template <KernelConfig kConfig>
__device__ __forceinline__ i64 num_standard_tiles(const FwdParams& params) {
  const int num_m_blocks = (params.seqlen_q - 1) / kConfig.tiling.block_m + 1;
  return i64(num_m_blocks) * params.num_heads_q * params.batch;
}

template <KernelConfig kConfig>
__device__ __forceinline__ void standard_scores(const FwdParams& params) {
  const Workspace<kConfig> space{params};
  const i64 num_n_blocks = standard_score_pitch(params.seqlen_kv) / kConfig.tiling.block_n;
  const i64 total = num_standard_tiles<kConfig>(params) * num_n_blocks;
  for (i64 i = int(blockIdx.x); i < total; i += int(gridDim.x)) {
    const TileCoord tile = standard_tile<kConfig>(params, i / num_n_blocks);
    const int n_block = int(i % num_n_blocks);
    if (n_block >= space.num_blocks(tile.m_block)) continue;
    __syncthreads();  // the tile before has been read
    if constexpr (kConfig.problem.dtype == Dtype::kFp32) {
      fma_scores_tile(space, tile, n_block);
    } else {
      mma_scores_tile(space, tile, n_block);
    }
  }
}

template <KernelConfig kConfig>
__device__ __forceinline__ void standard_output(const FwdParams& params) {
  const Workspace<kConfig> space{params};
  const i64 total = num_standard_tiles<kConfig>(params);
  for (i64 i = int(blockIdx.x); i < total; i += int(gridDim.x)) {
    const TileCoord tile = standard_tile<kConfig>(params, i);
    __syncthreads();  // the tile before has been read
    if constexpr (kConfig.problem.dtype == Dtype::kFp32) {
      fma_output_tile(space, tile);
    } else {
      mma_output_tile(space, tile);
    }
  }
}

}  // namespace flashjit
