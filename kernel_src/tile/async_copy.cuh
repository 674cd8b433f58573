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
  // are zeros. Commits nothing. A thread copies the same chunk of every group of a row and walks
  // down the rows, so that all its addresses are one base and constants.
  template <bool kBounded>
  __device__ __forceinline__ void load(u32 smem, int first_row, int seqlen) const {
    const int row = int(threadIdx.x) / kGroup;
    const int chunk = int(threadIdx.x) % kGroup;
    const char* src = src_ + (first_row + i64(row)) * row_bytes_ + chunk * 16;
    const u32 dst = smem + Layout::offset(row, chunk);
#pragma unroll
    for (int i = 0; i < kRows; i += kRowStep) {
      if (kRows % kRowStep != 0 && row + i >= kRows) break;
      const bool row_inside = !kBounded || first_row + row + i < seqlen;
#pragma unroll
      for (int group = 0; group < kChunks; group += kGroup) {
        const bool inside = row_inside && (kHeadDim % 16 == 0 || chunk + group < kHeadDim / 8);
        // The swizzle repeats every 8 rows and never leaves a group.
        const u32 to = dst + i * Layout::kPitch + group * 16;
        ptx::cp_async_16(to, src + group * 16, inside ? 16 : 0);
      }
      src += kRowStep * row_bytes_;
    }
  }

  // Flips the signs of what this thread has copied, once it has landed (FwdParams::negate_q).
  __device__ __forceinline__ void negate(u32 smem) const {
    const u32 first = smem + Layout::offset(int(threadIdx.x) / kGroup, int(threadIdx.x) % kGroup);
#pragma unroll 1
    for (int i = 0; i < kRows; i += kRowStep) {
      if (kRows % kRowStep != 0 && int(threadIdx.x) / kGroup + i >= kRows) break;
      for (int group = 0; group < kChunks; group += kGroup) {
        const u32 addr = first + i * Layout::kPitch + group * 16;
        ptx::st_shared_v4(addr, negate_chunk<Dtype::kBf16>(ptx::ld_shared_v4(addr)));
      }
    }
  }

 private:
  static constexpr int kGroup = Layout::kMask + 1;  // chunks that neighbouring threads copy
  static constexpr int kRowStep = kThreads / kGroup;
  static_assert(kRowStep % 8 == 0);

  const char* src_;
  const i64 row_bytes_;
};

}  // namespace flashjit
