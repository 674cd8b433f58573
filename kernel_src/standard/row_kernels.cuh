// The four kernels of the standard family that go over S row by row, one warp a row, 8 columns a
// lane: mask, row_max, exponentials, normalize. Bound by memory, which is what fusion saves.
#pragma once
#include "attention/softmax.cuh"
#include "standard/workspace.cuh"

namespace flashjit {

inline constexpr float kLog2E = 1.44269504088896341f;

// S = −inf in the visited tiles where the row does not see the key, or no key exists.
template <KernelConfig kConfig>
__device__ __forceinline__ void standard_mask(const FwdParams& params) {
  using Space = Workspace<kConfig>;
  const Space space{params};
  space.for_each_row([&](i64 row, int q_row, int lane) {
    const i64 end = space.num_columns(q_row);
    for (i64 col = i64(space.mask.row_limit(q_row)) + lane; col < end; col += 32) {
      if constexpr (Space::kScoreDtype == Dtype::kFp32) {
        reinterpret_cast<float*>(space.row(row))[col] = kNegInf;
      } else {
        reinterpret_cast<u16*>(space.row(row))[col] =
            u16(ptx::pack<Space::kScoreDtype>(kNegInf, 0.0f));
      }
    }
  });
}

// M = max S. NaN loses here and comes back through the exponentials.
template <KernelConfig kConfig>
__device__ __forceinline__ void standard_row_max(const FwdParams& params) {
  using Space = Workspace<kConfig>;
  const Space space{params};
  space.for_each_row([&](i64 row, int q_row, int lane) {
    const i64 end = space.num_columns(q_row);
    float row_max = kNegInf;
#pragma unroll 4
    for (i64 col = lane * 8; col < end; col += 256) {
      float s[8];
      load_eight<Space::kScoreDtype>(s, space.row(row) + col * size_of(Space::kScoreDtype));
#pragma unroll
      for (int i = 0; i < 8; ++i) row_max = ptx::max_f32(row_max, s[i]);
    }
#pragma unroll
    for (int lanes = 1; lanes < 32; lanes *= 2)
      row_max = ptx::max_f32(row_max, __shfl_xor_sync(0xffffffffu, row_max, lanes));
    if (lane == 0) space.row_max()[row] = row_max;
  });
}

// P = exp(S − M) over S, and L = Σ P before rounding. Where S is wider than P, the 8 elements that
// a lane writes may lie on those that another lane of the same round reads: hence the __syncwarp.
template <KernelConfig kConfig>
__device__ __forceinline__ void standard_exponentials(const FwdParams& params) {
  using Space = Workspace<kConfig>;
  constexpr Dtype kDtype = kConfig.problem.dtype;
  const Space space{params};
  space.for_each_row([&](i64 row, int q_row, int lane) {
    const i64 end = space.num_columns(q_row);
    const float row_max = space.row_max()[row];
    const float offset = row_max == kNegInf ? 0.0f : row_max;
    float row_sum = 0.0f;
#pragma unroll 2
    for (i64 first = 0; first < end; first += 256) {
      const i64 col = first + lane * 8;
      float s[8];
      if (col < end)
        load_eight<Space::kScoreDtype>(s, space.row(row) + col * size_of(Space::kScoreDtype));
      if constexpr (Space::kScoreDtype != kDtype) __syncwarp();
      if (col < end) {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
          s[i] = ptx::exp2_approx((s[i] - offset) * kLog2E);
          row_sum += s[i];
        }
        store_eight<kDtype>(space.row(row) + col * size_of(kDtype), s);
      }
      if constexpr (Space::kScoreDtype != kDtype) __syncwarp();
    }
#pragma unroll
    for (int lanes = 1; lanes < 32; lanes *= 2)
      row_sum += __shfl_xor_sync(0xffffffffu, row_sum, lanes);
    if (lane == 0) space.row_sum()[row] = row_sum;
  });
}

// P = P / L, LSE = M + ln L. A row that sees nothing has L = 0 and gets P = 0, LSE = −inf.
template <KernelConfig kConfig>
__device__ __forceinline__ void standard_normalize(const FwdParams& params) {
  using Space = Workspace<kConfig>;
  constexpr Dtype kDtype = kConfig.problem.dtype;
  const Space space{params};
  space.for_each_row([&](i64 row, int q_row, int lane) {
    const i64 end = space.num_columns(q_row);
    const float row_sum = space.row_sum()[row];
    const bool empty = row_sum == 0.0f;
    const float inverse = empty ? 0.0f : 1.0f / row_sum;
#pragma unroll 4
    for (i64 col = lane * 8; col < end; col += 256) {
      char* at = space.row(row) + col * size_of(kDtype);
      float p[8];
      load_eight<kDtype>(p, at);
#pragma unroll
      for (int i = 0; i < 8; ++i) p[i] *= inverse;
      store_eight<kDtype>(at, p);
    }
    if (kConfig.problem.return_lse && lane == 0)
      params.lse[row] = empty ? kNegInf : space.row_max()[row] + ptx::log2_approx(row_sum) * kLn2;
  });
}

}  // namespace flashjit
