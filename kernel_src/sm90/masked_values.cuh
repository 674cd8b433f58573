// Keeps a NaN or infinity in V from rows that do not see it. A diagonal block is multiplied as a
// whole, so a key that is masked for a row enters its sum as 0 · V: nothing, unless V is not
// finite. Rows whose O came out as NaN although no score of theirs is NaN are computed again by
// attention/recompute.cuh, when the wrong ones have been stored: there O is dead, so the slow path
// takes no registers and little code. It never runs with finite inputs; the check costs one
// addition for each accumulator, once for a tile.
#pragma once
#include "attention/recompute.cuh"

namespace flashjit {

// Of a thread's two rows.
struct WrongRows {
  bool row[2] = {false, false};

  __device__ __forceinline__ bool any() const { return row[0] || row[1]; }
};

// From O and the sums of whole rows, before one is divided by the other.
template <int kSize>
__device__ __forceinline__ WrongRows find_wrong_rows(const float (&o)[kSize],
                                                     const float (&row_sum)[2]) {
  float total[2] = {0.0f, 0.0f};
#pragma unroll
  for (int i = 0; i < kSize; ++i) total[i / 2 % 2] += o[i];
  WrongRows wrong;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    wrong.row[r] = total[r] != total[r] && row_sum[r] == row_sum[r];
  }
  return wrong;
}

// Writes the wrong ones of a warp's 16 rows again.
template <KernelConfig kConfig>
__device__ __forceinline__ void recompute_wrong_rows(const FwdParams& params,
                                                     const TileCoord& tile,
                                                     int first_row,
                                                     const WrongRows& wrong) {
  const u32 votes[2] = {__ballot_sync(0xffffffffu, wrong.row[0]),
                        __ballot_sync(0xffffffffu, wrong.row[1])};
#pragma unroll 1
  for (int r = 0; r < min_of(16, params.seqlen_q - first_row); ++r) {
    const u32 quad = (r < 8 ? votes[0] : votes[1]) >> r % 8 * 4 & 0xF;
    if (quad != 0) recompute_row<kConfig>(params, tile, first_row + r);
  }
}

}  // namespace flashjit
