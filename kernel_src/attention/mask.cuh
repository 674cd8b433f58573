// Which keys a row sees: owns the trip count of the loop over key blocks, the split into masked and
// unmasked steps, and the predicate itself. Rows see a prefix of the keys, [0, row_limit(row)), so
// a mask is one integer per row. Called by every mainloop; knows nothing of tiles in memory.
//
// Blocks are visited from right to left: first [num_full, num_blocks) with the masked body, then
// [0, num_full) with a body that has no mask code at all. Blocks with nothing visible do not exist.
#pragma once
#include "kernel_config.h"

namespace flashjit {

inline constexpr float kNegInf = __builtin_bit_cast(float, 0xff800000u);

__device__ __forceinline__ int min_of(int a, int b) { return a < b ? a : b; }
__device__ __forceinline__ int max_of(int a, int b) { return a > b ? a : b; }

template <MaskKind kMask>
struct Mask {
  int seqlen_kv;
  int diagonal;  // FwdParams::diagonal: any int

  // Number of keys that query row `row` sees. 64 bits: row + diagonal may exceed an int.
  __device__ __forceinline__ int row_limit(int row) const {
    if constexpr (kMask == MaskKind::kNone) return seqlen_kv;
    const i64 end = i64(row) + diagonal + 1;
    return end < 0 ? 0 : end < seqlen_kv ? int(end) : seqlen_kv;
  }

  // Causal: where the visible keys of `row` would end if keys never did; saturated at ±2^30, so
  // that rows of a tile and keys of a block may be added and compared in 32 bits.
  __device__ __forceinline__ int diagonal_end(int row) const {
    constexpr i64 kFar = 1 << 30;
    const i64 end = i64(row) + diagonal + 1;
    return int(end < -kFar ? -kFar : end > kFar ? kFar : end);
  }

  // Blocks of block_n keys that a tile of rows ending with `last_row` (inclusive) visits.
  __device__ __forceinline__ int num_blocks(int last_row, int block_n) const {
    return (row_limit(last_row) + block_n - 1) / block_n;
  }

  // Blocks that every row of a tile starting with `first_row` sees entirely.
  __device__ __forceinline__ int num_full_blocks(int first_row, int block_n) const {
    return row_limit(first_row) / block_n;
  }
};

// Scores in the accumulator layout of mma and wgmma: s[i] of a lane is row (i / 2) % 2 of its two
// rows, column 8 · (i / 4) + 2 · (lane % 4) + i % 2 of the block. `limit` counts visible keys from
// the block's first column.
template <int kSize>
__device__ __forceinline__ void mask_scores(float (&s)[kSize], const int (&limit)[2]) {
  const int column = int(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int i = 0; i < kSize; ++i) {
    if (i / 4 * 8 + i % 2 >= limit[i / 2 % 2] - column) s[i] = kNegInf;
  }
}

}  // namespace flashjit
