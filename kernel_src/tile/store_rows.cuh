// From mma accumulators to global memory with 16-byte stores, through a warp's own rows of a
// swizzled tile in shared memory. A __syncwarp() stands between the two functions.
#pragma once
#include "ptx/math.h"
#include "ptx/shared_memory.h"
#include "tile/swizzle.cuh"

namespace flashjit {

// acc (16 rows in the mma layout) to rows first_row … first_row + 15 of the tile at `smem`.
template <Dtype kDtype, int kChunks, int kSize>
__device__ __forceinline__ void stage_rows(u32 smem, int first_row, const float (&acc)[kSize]) {
  static_assert(kSize == kChunks * 4);
  const int lane = int(threadIdx.x) % 32;
#pragma unroll
  for (int c = 0; c < kChunks; ++c) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const u32 addr = smem + Swizzle<kChunks>::offset(first_row + lane / 4 + 8 * r, c);
      ptx::st_shared_u32(addr + u32(lane % 4) * 4,
                         ptx::pack<kDtype>(acc[4 * c + 2 * r], acc[4 * c + 2 * r + 1]));
    }
  }
}

// The first kStored chunks of the first num_rows rows to global memory; executed by one warp.
template <int kChunks, int kStored>
__device__ __forceinline__ void store_rows(char* dst, i64 row_bytes, u32 smem, int num_rows) {
#pragma unroll 4
  for (int index = int(threadIdx.x) % 32; index < num_rows * kStored; index += 32) {
    const int row = index / kStored;
    const int chunk = index % kStored;
    *reinterpret_cast<U32x4*>(dst + row * row_bytes + chunk * 16) =
        ptx::ld_shared_v4(smem + Swizzle<kChunks>::offset(row, chunk));
  }
}

}  // namespace flashjit
