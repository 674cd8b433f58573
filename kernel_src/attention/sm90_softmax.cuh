// Online softmax of the sm90 kernels, in two halves around the wait for P·V of the block before:
// prepare() while that product still runs (so it may not touch O or P), then update() that brings
// O to the new maximum and makes P. One policy for each Rescale; all three are exact.
//
// State: `offset` is what every score is measured against, in the exponent: P = exp2(s·c − offset),
// c = softmax_scale_log2 > 0; −inf while all scores that a row has seen are −inf, be it that it
// sees no key or that K holds infinities. Sums are this thread's columns only, until the end of the
// tile (Sm90Consumer::normalise()). With row_sum_by_mma they come from P·V's extra columns instead.
// P goes to an Sm90Probs (sm90/probs.cuh), 16 keys at a time. `visible`: how many keys a thread's
// two rows have seen at the end of the step; read in masked steps.
#pragma once
#include "attention/softmax.cuh"

namespace flashjit {

struct RowOffsets {
  float offset[2] = {kNegInf, kNegInf};
  float row_sum[2] = {0.0f, 0.0f};

  // While all scores are −inf: P = exp2(−inf − 0) = 0.
  __device__ __forceinline__ float finite(int r) const {
    return offset[r] == kNegInf ? 0.0f : offset[r];
  }

  // Raises the offsets to max(score)·c + headroom over the quad, if that is more, and rescales what
  // was summed under the old ones. From rounded offsets: an unchanged one gives a factor of 1.
  template <int kOSize>
  __device__ __forceinline__ void raise(const float (&row_max)[2],
                                        float scale_log2,
                                        const float (&headroom)[2],
                                        float (&o)[kOSize]) {
    float factor[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float raised =
          ptx::max_f32(__fmaf_rn(quad_max(row_max[r]), scale_log2, headroom[r]), offset[r]);
      factor[r] = offset[r] == kNegInf ? 0.0f : ptx::exp2_approx(offset[r] - raised);
      offset[r] = raised;
      row_sum[r] *= factor[r];
    }
    rescale(o, factor);
  }
};

// The largest of a thread's own scores for each row, in four independent chains: one chain of
// block_n / 4 dependent maxima would be latency that nothing hides.
template <int kSize>
__device__ __forceinline__ void thread_max_ilp(const float (&s)[kSize], float (&row_max)[2]) {
  static_assert(kSize % 8 == 0);
  float chain[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) chain[i] = s[i];
#pragma unroll
  for (int i = 8; i < kSize; ++i) chain[i % 8] = ptx::max_f32(chain[i % 8], s[i]);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    row_max[r] = ptx::max_f32(ptx::max_f32(chain[2 * r], chain[2 * r + 1]),
                              ptx::max_f32(chain[4 + 2 * r], chain[5 + 2 * r]));
  }
}

// P from S under the given offsets. Returns the OR of all packed pairs; adds to `sum` if kSum.
template <Dtype kDtype, bool kSum, int kSSize, class Probs>
__device__ __forceinline__ u32 exponentiate_packed(const float (&s)[kSSize],
                                                   float scale_log2,
                                                   float offset0,
                                                   float offset1,
                                                   float (&sum)[2],
                                                   Probs& probs) {
  u32 any_bits = 0;
  u32 fragment[4];
#pragma unroll
  for (int i = 0; i < kSSize / 2; ++i) {
    const float offset = i % 2 ? offset1 : offset0;
    const float lo = ptx::exp2_approx(__fmaf_rn(s[2 * i], scale_log2, -offset));
    const float hi = ptx::exp2_approx(__fmaf_rn(s[2 * i + 1], scale_log2, -offset));
    if constexpr (kSum) sum[i % 2] += lo + hi;
    fragment[i % 4] = ptx::pack<kDtype>(lo, hi);
    any_bits |= fragment[i % 4];
    if (i % 4 == 3) probs.set(i / 4, fragment);
  }
  return any_bits;
}

template <Rescale kRescale, Dtype kDtype, bool kSum>
struct Sm90Softmax;

// The textbook's: the maximum of every block, and O multiplied in every step.
template <Dtype kDtype, bool kSum>
struct Sm90Softmax<Rescale::kEager, kDtype, kSum> : RowOffsets {
  float factor[2];

  template <int kSSize>
  __device__ __forceinline__ void prepare(float (&s)[kSSize], float scale_log2) {
    float row_max[2];
    thread_max_ilp(s, row_max);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float raised = ptx::max_f32(quad_max(row_max[r]) * scale_log2, offset[r]);
      factor[r] = offset[r] == kNegInf ? 0.0f : ptx::exp2_approx(offset[r] - raised);
      offset[r] = raised;
      row_sum[r] *= factor[r];
    }
    const float finite_offset[2] = {finite(0), finite(1)};
#pragma unroll
    for (int i = 0; i < kSSize; ++i) {
      s[i] = ptx::exp2_approx(__fmaf_rn(s[i], scale_log2, -finite_offset[i / 2 % 2]));
      if constexpr (kSum) row_sum[i / 2 % 2] += s[i];
    }
  }

  template <bool kMasked, bool kRaise, int kSSize, int kOSize, class Probs>
  __device__ __forceinline__ void update(
      const float (&s)[kSSize], const int (&)[2], float, float (&o)[kOSize], Probs& probs) {
#pragma unroll
    for (int step = 0; step < kSSize / 8; ++step) {
      u32 fragment[4];
      pack_slice<kDtype>(fragment, s, step);
      probs.set(step, fragment);
    }
    rescale(o, factor);
  }
};

// A maximum stays in use until an element exceeds it by more than 2^8; the shuffles and the pass
// over O happen only then. One vote decides for the warp.
template <Dtype kDtype, bool kSum>
struct Sm90Softmax<Rescale::kLazy, kDtype, kSum> : RowOffsets {
  float row_max[2];

  template <int kSSize>
  __device__ __forceinline__ void prepare(float (&s)[kSSize], float) {
    thread_max_ilp(s, row_max);
  }

  template <bool kMasked, bool kRaise, int kSSize, int kOSize, class Probs>
  __device__ __forceinline__ void update(const float (&s)[kSSize],
                                         const int (&)[2],
                                         float scale_log2,
                                         float (&o)[kOSize],
                                         Probs& probs) {
    // −inf + inf = NaN is no rise: a row that still sees nothing.
    const bool rise = __fmaf_rn(row_max[0], scale_log2, -offset[0]) > kLazyThreshold ||
                      __fmaf_rn(row_max[1], scale_log2, -offset[1]) > kLazyThreshold;
    if (__any_sync(0xffffffffu, rise)) raise(row_max, scale_log2, {0.0f, 0.0f}, o);
    exponentiate_packed<kDtype, kSum>(s, scale_log2, finite(0), finite(1), row_sum, probs);
  }
};

// Exponentials first, under the offset in use; the OR of the packed results tells whether one
// reached 2 or is NaN (then bit 14 of a half is set, in fp16 as in bf16): only then the maximum is
// found and the block is done again from the scores, which are still there. A row that had seen
// nothing (offset −inf) gets exp2(inf) or exp2(NaN) and so takes that way too. kRaise: that way at
// once; for a tile's first block, which fails anyway, and for masked ones, which are few: one copy
// of the exponentials less in their loop is 8 % of the time that head_dim 256 takes to compile.
template <Dtype kDtype, bool kSum>
struct Sm90Softmax<Rescale::kOptimistic, kDtype, kSum> : RowOffsets {
  // A new offset stands this much above the maximum, so P starts at 2^-headroom and reaches 2 when
  // the maximum has grown by 2^(headroom + 1). fp16 has no small exponents to give: P would lose
  // bits below 2^-14, so its headroom is less; but not for rows that have seen few keys, whose
  // maximum is about to grow while little is summed yet (head_dim 128, causal: +2 %).
  static constexpr float kHeadroom = kDtype == Dtype::kBf16 ? 8.0f : 4.0f;
  static constexpr float kFirstHeadroom = 8.0f;
  static constexpr int kFewKeys = 16;
  static constexpr u32 kTwoOrMore = 0x40004000u;

  static __device__ __forceinline__ float headroom_of(int visible_keys) {
    return visible_keys < kFewKeys ? kFirstHeadroom : kHeadroom;
  }

  template <int kSSize>
  __device__ __forceinline__ void prepare(float (&)[kSSize], float) {}

  template <bool kMasked, bool kRaise, int kSSize, int kOSize, class Probs>
  __device__ __forceinline__ void update(const float (&s)[kSSize],
                                         const int (&visible)[2],
                                         float scale_log2,
                                         float (&o)[kOSize],
                                         Probs& probs) {
    float sum[2] = {0.0f, 0.0f};
    bool redo = kRaise;
    if constexpr (!kRaise) {
      const u32 any_bits =
          exponentiate_packed<kDtype, kSum>(s, scale_log2, offset[0], offset[1], sum, probs);
      redo = __any_sync(0xffffffffu, (any_bits & kTwoOrMore) != 0);
    }
    if (redo) {
      float row_max[2];
      thread_max_ilp(s, row_max);
      if constexpr (kRaise) {
        raise(row_max, scale_log2, {headroom_of(visible[0]), headroom_of(visible[1])}, o);
      } else {
        raise(row_max, scale_log2, {kHeadroom, kHeadroom}, o);
      }
      sum[0] = sum[1] = 0.0f;
      exponentiate_packed<kDtype, kSum>(s, scale_log2, finite(0), finite(1), sum, probs);
    }
    row_sum[0] += sum[0];
    row_sum[1] += sum[1];
  }
};

}  // namespace flashjit
