// Warp-level GEMMs over swizzled 16-bit tiles with mma.m16n8k16. A warp owns kRowTiles · 16 rows;
// its accumulators are acc[row tile][i] in the mma layout: element i is row lane / 4 + 8 · (i / 2 %
// 2), column 8 · (i / 4) + 2 · (lane % 4) + i % 2. Each ldmatrix_x4 of B feeds 2 · kRowTiles mma,
// and is issued one step ahead of them. Knows nothing of attention.
#pragma once
#include "ptx/matrix.h"
#include "tile/swizzle.cuh"

namespace flashjit {

// How a 16x16 block of a tile in shared memory becomes an operand. HMMA wants the two registers of
// a B column block to be neighbours, so A·Bᵀ and A·B order the four 8x8 matrices of ldmatrix
// differently.
enum class Operand {
  kA,            // row-major A (Q, P): {rows 0-7, rows 8-15} of chunk 0, then of chunk 1
  kTransposedB,  // B of A · Bᵀ (K): {chunk 0, chunk 1} of rows 0-7, then of rows 8-15
  kPlainB,       // B of A · B (V): as A, each matrix transposed
};

template <Operand kOperand, int kChunks>
struct SmemOperand {
  using Layout = Swizzle<kChunks>;
  u32 lane_addr;  // of the lane's row and chunk of the first block

  __device__ __forceinline__ SmemOperand(u32 tile, int lane)
      : lane_addr(tile + (kOperand == Operand::kTransposedB
                              ? Layout::offset(lane / 16 * 8 + lane % 8, lane / 8 % 2)
                              : Layout::offset(lane % 16, lane / 16))) {}

  // Tile rows 16 · row16 …, columns 16 · col16 …. Of a B operand f[0, 1] are the first 8 columns of
  // the result, f[2, 3] the others.
  __device__ __forceinline__ void load(u32 (&f)[4], int row16, int col16) const {
    const u32 addr = Layout::advance(lane_addr, 2 * col16) + u32(row16) * 16 * Layout::kPitch;
    if constexpr (kOperand == Operand::kPlainB) {
      ptx::ldmatrix_x4_trans(f, addr);
    } else {
      ptx::ldmatrix_x4(f, addr);
    }
  }

  // The fragment of a B operand for result columns 16 · n … and summands 16 · k ….
  __device__ __forceinline__ void load_b(u32 (&f)[4], int n, int k) const {
    static_assert(kOperand != Operand::kA);
    if constexpr (kOperand == Operand::kPlainB) {
      load(f, k, n);
    } else {
      load(f, n, k);
    }
  }
};

// acc += A · B for 16 rows, 16 columns (those from 16 · n on) and 16 summands.
template <Dtype kDtype, int kSize>
__device__ __forceinline__ void mma_16x16(float (&acc)[kSize],
                                          int n,
                                          const u32 (&a)[4],
                                          const u32 (&b)[4]) {
  float* d = acc + 8 * n;
  ptx::mma_m16n8k16<kDtype>(d[0], d[1], d[2], d[3], a, b[0], b[1]);
  ptx::mma_m16n8k16<kDtype>(d[4], d[5], d[6], d[7], a, b[2], b[3]);
}

// Step k of kSteps: acc[t] += A[t] · B over all columns. `b` holds the fragment of column 0 on
// entry, and that of the next step afterwards.
template <Dtype kDtype, int kSteps, int kRowTiles, int kSize, class SmemB>
__device__ __forceinline__ void mma_step(float (&acc)[kRowTiles][kSize],
                                         const u32 (&a)[kRowTiles][4],
                                         const SmemB& smem_b,
                                         int k,
                                         u32 (&b)[4]) {
#pragma unroll
  for (int n = 0; n < kSize / 8; ++n) {
    u32 ahead[4] = {};
    if (n + 1 < kSize / 8) {
      smem_b.load_b(ahead, n + 1, k);
    } else if (k + 1 < kSteps) {
      smem_b.load_b(ahead, 0, k + 1);
    }
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) mma_16x16<kDtype>(acc[t], n, a[t], b);
#pragma unroll
    for (int i = 0; i < 4; ++i) b[i] = ahead[i];
  }
}

// acc += A · B over kSteps · 16 summands; load_a(a, k) gives the A fragments of a step.
template <Dtype kDtype, int kSteps, int kRowTiles, int kSize, class SmemB, class LoadA>
__device__ __forceinline__ void mma_gemm(float (&acc)[kRowTiles][kSize],
                                         const SmemB& smem_b,
                                         LoadA load_a) {
  u32 b[4];
  smem_b.load_b(b, 0, 0);
#pragma unroll
  for (int k = 0; k < kSteps; ++k) {
    u32 a[kRowTiles][4];
    load_a(a, k);
    mma_step<kDtype, kSteps>(acc, a, smem_b, k, b);
  }
}

}  // namespace flashjit
