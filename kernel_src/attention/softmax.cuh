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

// State of a thread's two rows. Maxima are kept scaled, row_max = max · c: three numbers for each
// row would be four registers more per 16 rows, which head_dim 128 does not have.
struct RowState {
  float row_max[2] = {kNegInf, kNegInf};  // -inf: no visible key yet
  float row_sum[2] = {0.0f, 0.0f};        // of this thread's columns only

  // What is subtracted before exp2: a row without a visible key has no maximum.
  __device__ __forceinline__ float offset(int r) const {
    return row_max[r] == kNegInf ? 0.0f : row_max[r];
  }
};

// The largest of a thread's own scores for each row. NaN loses: it reaches P through exp2.
template <int kSize>
__device__ __forceinline__ void thread_max(const float (&s)[kSize], float (&row_max)[2]) {
  row_max[0] = ptx::max_f32(s[0], s[1]);
  row_max[1] = ptx::max_f32(s[2], s[3]);
#pragma unroll
  for (int i = 4; i < kSize; ++i) row_max[i / 2 % 2] = ptx::max_f32(row_max[i / 2 % 2], s[i]);
}

// What sums and outputs taken under a scaled maximum are multiplied by under a new one: exactly 1
// when it has not changed. Before the first visible key they are 0 and must stay so.
__device__ __forceinline__ float rescale_factor(float old_max, float new_max) {
  return old_max == kNegInf ? 0.0f : ptx::exp2_approx(old_max - new_max);
}

// Scaled maxima of a step's scores over both rows.
template <int kSize>
__device__ __forceinline__ void block_max(const float (&s)[kSize],
                                          float scale_log2,
                                          float (&row_max)[2]) {
  thread_max(s, row_max);
#pragma unroll
  for (int r = 0; r < 2; ++r) row_max[r] = quad_max(row_max[r]) * scale_log2;
}

// Rescale::kLazy: whether a row has outgrown the maximum in use. From -inf every key does (inf),
// and no key does not (NaN).
__device__ __forceinline__ bool exceeds(const float (&row_max)[2], const RowState& rows) {
  return row_max[0] - rows.row_max[0] > kLazyThreshold ||
         row_max[1] - rows.row_max[1] > kLazyThreshold;
}

// Moves maximum and sums to the maximum of a step; `factor` is what O must be multiplied by.
__device__ __forceinline__ void raise_max(RowState& rows,
                                          const float (&row_max)[2],
                                          float (&factor)[2]) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float new_max = ptx::max_f32(row_max[r], rows.row_max[r]);
    factor[r] = rescale_factor(rows.row_max[r], new_max);
    rows.row_max[r] = new_max;
    rows.row_sum[r] *= factor[r];
  }
}

// s becomes P = exp2(s · c − offset), and the row sums grow by it. The slice is 16 columns: one
// fragment of the P·V that follows.
template <int kSize>
__device__ __forceinline__ void exponentiate_slice(RowState& rows,
                                                   float (&s)[kSize],
                                                   int slice,
                                                   float scale_log2) {
#pragma unroll
  for (int i = 8 * slice; i < 8 * slice + 8; ++i) {
    s[i] = ptx::exp2_approx(__fmaf_rn(s[i], scale_log2, -rows.offset(i / 2 % 2)));
    rows.row_sum[i / 2 % 2] += s[i];
  }
}
template <int kSize>
__device__ __forceinline__ void exponentiate(RowState& rows, float (&s)[kSize], float scale_log2) {
#pragma unroll
  for (int slice = 0; slice < kSize / 8; ++slice) exponentiate_slice(rows, s, slice, scale_log2);
}

// Reduces the sums across the quad. `inverse` is 1 / sum, or 0 for an empty row; `lse` is the
// natural log-sum-exp, or -inf.
__device__ __forceinline__ void finish(const RowState& rows, float (&inverse)[2], float (&lse)[2]) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float sum = quad_sum(rows.row_sum[r]);
    // NaN is not empty. A sum holds its maximum's 1 at least; a true division would be a call, with
    // all of O alive around it.
    const bool empty = sum == 0.0f;
    inverse[r] = empty ? 0.0f : ptx::rcp_approx(sum);
    lse[r] = empty ? kNegInf : (rows.offset(r) + ptx::log2_approx(sum)) * kLn2;
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
__device__ __forceinline__ void pack_slice(u32 (&p)[4], const float (&s)[kSize], int slice) {
#pragma unroll
  for (int i = 0; i < 4; ++i)
    p[i] = ptx::pack<kDtype>(s[8 * slice + 2 * i], s[8 * slice + 2 * i + 1]);
}

// Whether no element of O is Inf or NaN: x · 0 is 0 for the others.
template <int kSize>
__device__ __forceinline__ bool all_finite(const float (&o)[kSize]) {
  float zero = 0.0f;
#pragma unroll
  for (int i = 0; i < kSize; ++i) zero = __fmaf_rn(o[i], 0.0f, zero);
  return zero == 0.0f;
}

}  // namespace flashjit
