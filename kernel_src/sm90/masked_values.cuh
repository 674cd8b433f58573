// Keeps a NaN or infinity in V from rows that do not see it. A diagonal block is multiplied as a
// whole, so a key that is masked for a row enters its sum as 0 · V: nothing, unless V is not
// finite. Rows whose O came out as NaN although no score of theirs is NaN are summed again, from
// global memory and only over the keys that they see. That is slow and never happens with finite
// inputs; the check costs one addition for each accumulator, once for a tile.
#pragma once
#include "attention/mask.cuh"
#include "fwd_params.h"
#include "tile/elements.cuh"

namespace flashjit {

template <KernelConfig kConfig>
struct MaskedValueRepair {
  static constexpr Problem kProblem = kConfig.problem;
  static constexpr Dtype kDtype = kProblem.dtype;
  static constexpr int kColumnsPerLane = ceil_div(kProblem.head_dim_v, 32);
  static constexpr u32 kAll = 0xffffffffu;

  const FwdParams& fwd;
  int first_row;  // of the warp's 16
  int head;
  int batch;
  int lane = int(threadIdx.x) % 32;

  // Element `column` of a row of Q, K or V.
  static __device__ __forceinline__ float element(const char* row, int column) {
    return ptx::to_float<kDtype>(reinterpret_cast<const u16*>(row)[column]);
  }

  // O of one row, not yet divided by its sum: lane l gets columns l, l + 32, …
  __device__ __forceinline__ void sum_row(int row, float offset, float (&sum)[kColumnsPerLane]) {
    const int kv_head = head / fwd.heads_per_kv;
    const Mask<kProblem.mask> mask{fwd.seqlen_kv, fwd.diagonal};
    const int limit = mask.row_limit(row);
    const char* q = row_address<kDtype>(fwd.q, fwd.q_stride, batch, row, head);
#pragma unroll
    for (int i = 0; i < kColumnsPerLane; ++i) sum[i] = 0.0f;
#pragma unroll 1
    for (int first_key = 0; first_key < limit; first_key += 32) {
      float prob = 0.0f;
      if (first_key + lane < limit) {
        const char* k = row_address<kDtype>(fwd.k, fwd.k_stride, batch, first_key + lane, kv_head);
        float score = 0.0f;
#pragma unroll 1
        for (int c = 0; c < kProblem.head_dim_qk; ++c)
          score = __fmaf_rn(element(q, c), element(k, c), score);
        prob = ptx::exp2_approx(__fmaf_rn(score, fwd.softmax_scale_log2, -offset));
      }
#pragma unroll 1
      for (int key = first_key; key < min_of(first_key + 32, limit); ++key) {
        const char* v = row_address<kDtype>(fwd.v, fwd.v_stride, batch, key, kv_head);
        const float p = __shfl_sync(kAll, prob, key - first_key);
#pragma unroll
        for (int i = 0; i < kColumnsPerLane; ++i) {
          if (lane + 32 * i < kProblem.head_dim_v)
            sum[i] = __fmaf_rn(p, element(v, lane + 32 * i), sum[i]);
        }
      }
    }
  }

  // `row_sum` of the whole row, `offset` as in attention/sm90_softmax.cuh.
  template <int kSize>
  __device__ __forceinline__ void run(float (&o)[kSize],
                                      const float (&row_sum)[2],
                                      const float (&offset)[2]) {
    float total[2] = {0.0f, 0.0f};
#pragma unroll
    for (int i = 0; i < kSize; ++i) total[i / 2 % 2] += o[i];
    bool wrong[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      wrong[r] = total[r] != total[r] && row_sum[r] == row_sum[r] &&
                 first_row + lane / 4 + 8 * r < fwd.seqlen_q;
    }
    if (!__any_sync(kAll, wrong[0] || wrong[1])) return;
    const u32 votes[2] = {__ballot_sync(kAll, wrong[0]), __ballot_sync(kAll, wrong[1])};
#pragma unroll 1
    for (int r = 0; r < 16; ++r) {
      if (((r < 8 ? votes[0] : votes[1]) >> r % 8 * 4 & 0xF) == 0) continue;
      float sum[kColumnsPerLane];
      sum_row(first_row + r, __shfl_sync(kAll, r < 8 ? offset[0] : offset[1], r % 8 * 4), sum);
#pragma unroll
      for (int i = 0; i < kSize; ++i) {
        const int column = i / 4 * 8 + i % 2;  // and 2 · (lane % 4) more
        const float value = __shfl_sync(kAll, sum[column / 32], column % 32 + lane % 4 * 2);
        if (lane / 4 + 8 * (i / 2 % 2) == r) o[i] = value;
      }
    }
  }
};

}  // namespace flashjit
