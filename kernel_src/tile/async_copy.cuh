// Copies tiles of 16-bit rows from global to swizzled shared memory with cp.async, 16 bytes a
// thread. Rows of kHeadDim elements become rows of padded_head_dim(kHeadDim): the padding and the
// rows past the end are filled with zeros and nothing beyond head_dim is read.
#pragma once
#include "ptx/cp_async.h"
#include "ptx/shared_memory.h"
#include "smem_plan.h"
#include "tile/elements.cuh"
#include "tile/swizzle.cuh"

namespace flashjit {

template <int kRows, int kHeadDim, int kThreads>
class AsyncTile {
 public:
  static constexpr int kChunks = padded_head_dim(kHeadDim) / 8;
  using Layout = Swizzle<kChunks>;
  static constexpr u32 kBytes = kRows * Layout::kPitch;

  // Row 0 of the tensor and the distance between rows, in bytes.
  __device__ __forceinline__ AsyncTile(const char* src, i64 row_bytes)
      : src_(src), row_bytes_(row_bytes) {}

  // Issues the copy of rows first_row … first_row + kRows − 1; with kBounded those from seqlen on
  // are zeros. Commits nothing.
  template <bool kBounded>
  __device__ __forceinline__ void load(u32 smem, int first_row, int seqlen) const {
    if constexpr (kThreads % kChunks == 0) {
      // Each pass is a whole number of rows: a thread keeps its column and walks down.
      constexpr int kRowStep = kThreads / kChunks;
      const int chunk = int(threadIdx.x) % kChunks;
      const int row = int(threadIdx.x) / kChunks;
      const char* src = src_ + (first_row + i64(row)) * row_bytes_;
#pragma unroll
      for (int i = 0; i < ceil_div(kRows, kRowStep); ++i) {
        if (kRows % kRowStep != 0 && row + i * kRowStep >= kRows) break;
        copy<kBounded>(smem, row + i * kRowStep, chunk, src, seqlen - first_row);
        src += kRowStep * row_bytes_;
      }
    } else {
#pragma unroll
      for (int i = 0; i < ceil_div(kRows * kChunks, kThreads); ++i) {
        const int index = int(threadIdx.x) + i * kThreads;
        const int row = index / kChunks;
        if (kRows * kChunks % kThreads != 0 && row >= kRows) break;
        const char* src = src_ + (first_row + i64(row)) * row_bytes_;
        copy<kBounded>(smem, row, index % kChunks, src, seqlen - first_row);
      }
    }
  }

  // Flips the signs of what this thread has copied, once it has landed (FwdParams::negate_q).
  __device__ __forceinline__ void negate(u32 smem) const {
#pragma unroll 1
    for (int index = int(threadIdx.x); index < kRows * kChunks; index += kThreads) {
      const u32 addr = smem + Layout::offset(index / kChunks, index % kChunks);
      ptx::st_shared_v4(addr, negate_chunk<Dtype::kBf16>(ptx::ld_shared_v4(addr)));
    }
  }

 private:
  // src is the row's first element; not read where nothing is visible.
  template <bool kBounded>
  static __device__ __forceinline__ void copy(
      u32 smem, int row, int chunk, const char* src, int valid_rows) {
    const bool inside = (!kBounded || row < valid_rows) &&
                        (kHeadDim == padded_head_dim(kHeadDim) || chunk < kHeadDim / 8);
    ptx::cp_async_16(smem + Layout::offset(row, chunk), src + chunk * 16, inside ? 16 : 0);
  }

  const char* src_;
  const i64 row_bytes_;
};

}  // namespace flashjit
