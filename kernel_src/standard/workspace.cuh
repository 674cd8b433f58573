// The matrices of the standard family in global memory, as its kernels see them: rows of S, which P
// replaces in place, and the row statistics. Rows are numbered (batch · num_heads_q + head) ·
// seqlen_q + row. Also: which columns of a row exist, and 8 elements at a time.
#pragma once
#include "attention/mask.cuh"
#include "attention/scheduler.cuh"
#include "tile/elements.cuh"
#include "variant_plan.h"

namespace flashjit {

template <Dtype kDtype>
__device__ __forceinline__ void load_eight(float (&x)[8], const char* src) {
  constexpr int kChunk = kChunkElements<kDtype>;
#pragma unroll
  for (int c = 0; c < 8 / kChunk; ++c) {
    float part[kChunk];
    unpack_chunk<kDtype>(reinterpret_cast<const U32x4*>(src)[c], part);
#pragma unroll
    for (int i = 0; i < kChunk; ++i) x[c * kChunk + i] = part[i];
  }
}
template <Dtype kDtype>
__device__ __forceinline__ void store_eight(char* dst, const float (&x)[8]) {
  constexpr int kChunk = kChunkElements<kDtype>;
#pragma unroll
  for (int c = 0; c < 8 / kChunk; ++c) {
    float part[kChunk];
#pragma unroll
    for (int i = 0; i < kChunk; ++i) part[i] = x[c * kChunk + i];
    reinterpret_cast<U32x4*>(dst)[c] = pack_chunk<kDtype>(part);
  }
}

template <KernelConfig kConfig>
struct Workspace {
  static constexpr Dtype kScoreDtype = standard_score_dtype(kConfig.problem);
  static constexpr int kBlockM = kConfig.tiling.block_m;
  static constexpr int kBlockN = kConfig.tiling.block_n;

  const FwdParams& params;
  const i64 num_rows = i64(params.batch) * params.num_heads_q * params.seqlen_q;
  const i64 row_bytes = standard_score_pitch(params.seqlen_kv) * size_of(kScoreDtype);
  const Mask<kConfig.problem.mask> mask{params.seqlen_kv, params.diagonal};

  __device__ __forceinline__ char* row(i64 row) const {
    return static_cast<char*>(params.workspace) + row * row_bytes;
  }
  __device__ __forceinline__ float* row_max() const {
    return reinterpret_cast<float*>(row(num_rows));
  }
  __device__ __forceinline__ float* row_sum() const { return row_max() + num_rows; }

  // Key blocks that the rows of a tile visit: S has no value to the right of them.
  __device__ __forceinline__ int num_blocks(int m_block) const {
    const int last_row = min_of((m_block + 1) * kBlockM, params.seqlen_q) - 1;
    return mask.num_blocks(last_row, kBlockN);
  }
  // Columns of a row of S that are computed.
  __device__ __forceinline__ i64 num_columns(int q_row) const {
    return i64(num_blocks(q_row / kBlockM)) * kBlockN;
  }

  // Calls f(row, q_row, lane) for the rows of this warp, one at a time, whole warps.
  template <class F>
  __device__ __forceinline__ void for_each_row(F f) const {
    constexpr int kWarps = kConfig.tiling.num_warps;
    const int warp = int(threadIdx.x) / 32;
    for (i64 r = i64(blockIdx.x) * kWarps + warp; r < num_rows; r += i64(gridDim.x) * kWarps)
      f(r, int(r % params.seqlen_q), int(threadIdx.x) % 32);
  }
};

}  // namespace flashjit
