// Online softmax over accumulators in the layout of mma and wgmma, where a thread owns two rows and
// a quad of lanes shares each: s[i] is row (i / 2) % 2. Scores are raw Q·Kᵀ; the scale is folded
// into the one FFMA before exp2: exp2(s · c − max · c) with c = softmax_scale_log2. Sums stay per
// thread until finish(). Called by the mainloops; rescale() is theirs to apply to O.
#pragma once
#include "attention/mask.cuh"
#include "ptx/math.h"

namespace flashjit {

inline constexpr float kLn2 = 0.693147180559945309f;

// Rescale::kLazy keeps a maximum until an element exceeds it by this much in the exponent: P then
// stays below 2^8, which fp16 and bf16 hold with the same relative error as 1.
inline constexpr float kLazyThreshold = 8.0f;

__device__ __forceinline__ float quad_max(float x) {
  x = ptx::max_f32(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return ptx::max_f32(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

// State of a thread's two rows.
struct RowState {
  float row_max[2] = {kNegInf, kNegInf};  // raw scores; -inf: no visible key yet
  float row_sum[2] = {0.0f, 0.0f};        // of this thread's columns only
  float offset[2] = {0.0f, 0.0f};         // row_max · c, or 0 while row_max is -inf
};

// The largest of a thread's own scores for each row. NaN loses: it reaches P through exp2.
template <int kSize>
__device__ __forceinline__ void thread_max(const float (&s)[kSize], float (&row_max)[2]) {
  row_max[0] = ptx::max_f32(s[0], s[1]);
  row_max[1] = ptx::max_f32(s[2], s[3]);
#pragma unroll
  for (int i = 4; i < kSize; ++i) row_max[i / 2 % 2] = ptx::max_f32(row_max[i / 2 % 2], s[i]);
}

// What sums and outputs taken with `old_offset` are multiplied by under `new_offset`. From rounded
// offsets, not from maxima: an unchanged maximum gives exactly 1, where exp2(m·c − round(m·c))
// would compound an error of 2^-24 · |m·c| in every step. Before the first visible key (old_max =
// -inf) sums and outputs are 0 and must stay so.
__device__ __forceinline__ float rescale_factor(float old_max, float old_offset, float new_offset) {
  return old_max == kNegInf ? 0.0f : ptx::exp2_approx(old_offset - new_offset);
}

// Moves both rows to the maximum over the quad of `candidate` and the one in use; `factor` is what
// O must be multiplied by (the sums already were).
__device__ __forceinline__ void raise_max(RowState& rows,
                                          const float (&candidate)[2],
                                          float scale_log2,
                                          float (&factor)[2]) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float row_max = quad_max(ptx::max_f32(candidate[r], rows.row_max[r]));
    const float offset = row_max == kNegInf ? 0.0f : row_max * scale_log2;
    factor[r] = rescale_factor(rows.row_max[r], rows.offset[r], offset);
    rows.row_max[r] = row_max;
    rows.offset[r] = offset;
    rows.row_sum[r] *= factor[r];
  }
}

// Decides about the maximum of a step. Returns whether O has to be multiplied by `factor`
// (warp-uniform; always for kEager).
template <Rescale kRescale, int kSize>
__device__ __forceinline__ bool update_max(RowState& rows,
                                           const float (&s)[kSize],
                                           float scale_log2,
                                           float (&factor)[2]) {
  float candidate[2];
  thread_max(s, candidate);
  if constexpr (kRescale == Rescale::kLazy) {
    // inf - -inf counts as a rise, -inf - -inf = NaN does not. The vote costs one instruction where
    // the four shuffles of raise_max() cost some 25 cycles of latency each.
    const bool rise = (candidate[0] - rows.row_max[0]) * scale_log2 > kLazyThreshold ||
                      (candidate[1] - rows.row_max[1]) * scale_log2 > kLazyThreshold;
    if (!__any_sync(0xffffffffu, rise)) return false;
  }
  raise_max(rows, candidate, scale_log2, factor);
  return true;
}

// s becomes P = exp2(s · c − offset), and the row sums grow by it.
template <int kSize>
__device__ __forceinline__ void exponentiate(RowState& rows, float (&s)[kSize], float scale_log2) {
#pragma unroll
  for (int i = 0; i < kSize; ++i) {
    s[i] = ptx::exp2_approx(__fmaf_rn(s[i], scale_log2, -rows.offset[i / 2 % 2]));
    rows.row_sum[i / 2 % 2] += s[i];
  }
}

// Reduces the sums across the quad. `inverse` is 1 / sum, or 0 for an empty row; `lse` is the
// natural log-sum-exp, or -inf.
__device__ __forceinline__ void finish(const RowState& rows, float (&inverse)[2], float (&lse)[2]) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float sum = quad_sum(rows.row_sum[r]);
    const bool empty = sum == 0.0f;  // NaN is not empty
    inverse[r] = empty ? 0.0f : 1.0f / sum;
    lse[r] = empty ? kNegInf : (rows.offset[r] + ptx::log2_approx(sum)) * kLn2;
  }
}

// O of a thread, in the same layout.
template <int kSize>
__device__ __forceinline__ void rescale(float (&o)[kSize], const float (&factor)[2]) {
#pragma unroll
  for (int i = 0; i < kSize; ++i) o[i] *= factor[i / 2 % 2];
}

// P as the A operand of the next mma: the accumulators of two neighbouring 8-column blocks are the
// four registers of one 16-column fragment.
template <Dtype kDtype, int kSize>
__device__ __forceinline__ void pack_probs(u32 (&p)[kSize / 8][4], const float (&s)[kSize]) {
#pragma unroll
  for (int i = 0; i < kSize / 2; ++i) p[i / 4][i % 4] = ptx::pack<kDtype>(s[2 * i], s[2 * i + 1]);
}

}  // namespace flashjit
