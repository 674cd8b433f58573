// One row of O from global memory by one warp, touching only keys that the row sees. For
// tensor-core kernels whose masked steps met an Inf or NaN: P is 0 at masked keys, but 0 · NaN is
// NaN, so a NaN of V would reach rows of the tile that do not see it. Such a warp computes its rows
// again here, after its epilogue; LSE does not depend on V and stays. Slow (about 40 instructions
// for each key) and practically never run: finite inputs cannot get here.
#pragma once
#include "attention/scheduler.cuh"
#include "attention/softmax.cuh"
#include "ptx/shared_memory.h"
#include "tile/elements.cuh"

namespace flashjit {

// q · k of one row and one key, raw.
template <KernelConfig kConfig>
__device__ __forceinline__ float dot_row(const char* q, const char* k, bool negate) {
  constexpr Dtype kDtype = kConfig.problem.dtype;
  constexpr int kChunk = kChunkElements<kDtype>;
  float sum = 0.0f;
#pragma unroll 1
  for (int chunk = 0; chunk < kConfig.problem.head_dim_qk / kChunk; ++chunk) {
    float a[kChunk], b[kChunk];
    unpack_chunk<kDtype>(reinterpret_cast<const U32x4*>(q)[chunk], a);
    unpack_chunk<kDtype>(reinterpret_cast<const U32x4*>(k)[chunk], b);
#pragma unroll
    for (int i = 0; i < kChunk; ++i) sum = __fmaf_rn(a[i], b[i], sum);
  }
  return negate ? -sum : sum;
}

template <KernelConfig kConfig>
__device__ __forceinline__ void recompute_row(const FwdParams& params,
                                              const TileCoord& tile,
                                              int row) {
  constexpr Dtype kDtype = kConfig.problem.dtype;
  static_assert(kDtype != Dtype::kFp32);
  constexpr int kHeadDimV = kConfig.problem.head_dim_v;
  constexpr int kPairs = ceil_div(kHeadDimV, 64);  // column pairs lane + 32 · i of a lane
  const int lane = int(threadIdx.x) % 32;
  const int kv_head = tile.head / params.heads_per_kv;
  const int limit = Mask<kConfig.problem.mask>{params.seqlen_kv, params.diagonal}.row_limit(row);
  const float scale = params.softmax_scale_log2;
  const char* q = row_address<kDtype>(params.q, params.q_stride, tile.batch, row, tile.head);
  float row_max = kNegInf, row_sum = 0.0f;  // row_max is scaled, as in RowState
  float o[kPairs][2] = {};
#pragma unroll 1
  for (int first = 0; first < limit; first += 32) {
    const int key = first + lane;
    float s = kNegInf;
    if (key < limit) {
      const char* k = row_address<kDtype>(params.k, params.k_stride, tile.batch, key, kv_head);
      s = dot_row<kConfig>(q, k, params.negate_q);
    }
    float block_max = s;
#pragma unroll
    for (int lanes = 1; lanes < 32; lanes *= 2)
      block_max = ptx::max_f32(block_max, __shfl_xor_sync(0xffffffffu, block_max, lanes));
    const float new_max = ptx::max_f32(row_max, block_max * scale);
    const float factor = rescale_factor(row_max, new_max);
    const float offset = new_max == kNegInf ? 0.0f : new_max;
    const float p = ptx::exp2_approx(__fmaf_rn(s, scale, -offset));
    row_sum = row_sum * factor + p;  // of this lane's keys
    row_max = new_max;
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      o[i][0] *= factor;
      o[i][1] *= factor;
    }
    const int keys = min_of(32, limit - first);
#pragma unroll 1
    for (int j = 0; j < keys; ++j) {
      const float weight = __shfl_sync(0xffffffffu, p, j);
      const char* v =
          row_address<kDtype>(params.v, params.v_stride, tile.batch, first + j, kv_head);
#pragma unroll
      for (int i = 0; i < kPairs; ++i) {
        if (lane + 32 * i >= kHeadDimV / 2) continue;
        const u32 pair = reinterpret_cast<const u32*>(v)[lane + 32 * i];
        o[i][0] = __fmaf_rn(weight, ptx::to_float<kDtype>(u16(pair)), o[i][0]);
        o[i][1] = __fmaf_rn(weight, ptx::to_float<kDtype>(u16(pair >> 16)), o[i][1]);
      }
    }
  }
#pragma unroll
  for (int lanes = 1; lanes < 32; lanes *= 2)
    row_sum += __shfl_xor_sync(0xffffffffu, row_sum, lanes);
  const float inverse = row_sum == 0.0f ? 0.0f : 1.0f / row_sum;
  char* dst = row_address<kDtype>(params.o, params.o_stride, tile.batch, row, tile.head);
#pragma unroll
  for (int i = 0; i < kPairs; ++i) {
    if (lane + 32 * i >= kHeadDimV / 2) continue;
    reinterpret_cast<u32*>(dst)[lane + 32 * i] =
        ptx::pack<kDtype>(o[i][0] * inverse, o[i][1] * inverse);
  }
}

}  // namespace flashjit
