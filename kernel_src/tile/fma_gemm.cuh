// The two GEMMs of attention as plain fp32 FMA loops over tiles in shared memory, 256 threads, any
// dtype: what the minimal kernel computes with, and the fp32 path of the standard one. Tiles are
// row-major with the swizzle of tile/swizzle.cuh; accumulators are blocked in registers, so that
// every 16 bytes read from shared memory feed at least 16 FMA.
#pragma once
#include "ptx/shared_memory.h"
#include "tile/elements.cuh"
#include "tile/swizzle.cuh"

namespace flashjit {

inline constexpr int kFmaThreads = 256;

// fp32 [rows, kCols] in shared memory, written by four-column chunks of two rows at a time: even
// and odd rows lie 16 banks apart.
template <int kCols>
struct ScoreTile {
  static constexpr int kChunks = kCols / 4;
  static __device__ __forceinline__ u32 chunk_offset(int row, int chunk) {
    const int phase = kChunks % 8 == 0 ? (row & 1) * 4 + (row >> 1 & 3) : row >> 1 & 3;
    return u32(row * kCols * 4 + (chunk ^ phase) * 16);
  }
  static __device__ __forceinline__ u32 offset(int row, int col) {
    return chunk_offset(row, col / 4) + u32(col % 4) * 4;
  }
};

// Eight elements of a tile row, one or two chunks.
template <Dtype kDtype, class Layout>
__device__ __forceinline__ void load_eight(float (&x)[8], u32 smem, int row, int group) {
  constexpr int kChunk = kChunkElements<kDtype>;
#pragma unroll
  for (int half = 0; half < 8 / kChunk; ++half) {
    float part[kChunk];
    unpack_chunk<kDtype>(ptx::ld_shared_v4(smem + Layout::offset(row, group * (8 / kChunk) + half)),
                         part);
#pragma unroll
    for (int d = 0; d < kChunk; ++d) x[half * kChunk + d] = part[d];
  }
}

// acc[i][j] += Σ_d A[ty + 16·i][d] · B[tx + 16·j][d], with ty = thread / 16 and tx = thread % 16.
// fp32 sums eight products before it adds them: of head_dim roundings at the size of the running
// sum an eighth remains, which scores around 100 need for an LSE within 1e-5.
template <Dtype kDtype, int kHeadDim, int kRows, int kCols>
__device__ __forceinline__ void fma_gemm_nt(float (&acc)[kRows][kCols], u32 smem_a, u32 smem_b) {
  using Layout = Swizzle<kHeadDim / kChunkElements<kDtype>>;
  constexpr bool kTwoLevel = kDtype == Dtype::kFp32;
  const int ty = int(threadIdx.x) / 16;
  const int tx = int(threadIdx.x) % 16;
#pragma unroll 1
  for (int group = 0; group < kHeadDim / 8; ++group) {
    float a[kRows][8];
#pragma unroll
    for (int i = 0; i < kRows; ++i)
      load_eight<kDtype, Layout>(a[i], smem_a + i * 16 * Layout::kPitch, ty, group);
#pragma unroll
    for (int j = 0; j < kCols; ++j) {
      float b[8];
      load_eight<kDtype, Layout>(b, smem_b + j * 16 * Layout::kPitch, tx, group);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        float sum = kTwoLevel ? 0.0f : acc[i][j];
#pragma unroll
        for (int d = 0; d < 8; ++d) sum = __fmaf_rn(a[i][d], b[d], sum);
        acc[i][j] = kTwoLevel ? acc[i][j] + sum : sum;
      }
    }
  }
}

// Who owns what of O[rows, kHeadDim] += P·V: a thread has rows row() + kRowThreads · i and the
// 16-byte column chunks chunk() + kColThreads · u.
template <Dtype kDtype, int kBlockM, int kHeadDim>
struct FmaOutput {
  static constexpr int kChunk = kChunkElements<kDtype>;
  static constexpr int kColThreads = 64 / kChunk;
  static constexpr int kRowThreads = kFmaThreads / kColThreads;
  static constexpr int kRows = ceil_div(kBlockM, kRowThreads);
  static constexpr int kUnits = ceil_div(kHeadDim, 64);

  // With fewer rows than row threads some rows are computed twice; owns_rows() tells who stores.
  static __device__ __forceinline__ int row() { return int(threadIdx.x) / kColThreads % kBlockM; }
  static __device__ __forceinline__ bool owns_rows() {
    return int(threadIdx.x) / kColThreads < kBlockM;
  }
  static __device__ __forceinline__ int chunk() { return int(threadIdx.x) % kColThreads; }
  static __device__ __forceinline__ bool has_unit(int u) {
    return chunk() + u * kColThreads < kHeadDim / kChunk;
  }

  float acc[kRows][kUnits][kChunk] = {};

  // P is a ScoreTile<kKeys>, V a tile [kKeys, kHeadDim]. With kMasked, row i takes keys below
  // limit[i] only: 0 · NaN would carry a NaN of V to rows that do not see it.
  template <int kKeys, bool kMasked>
  __device__ __forceinline__ void accumulate(u32 smem_p, u32 smem_v, const int (&limit)[kRows]) {
    using Layout = Swizzle<kHeadDim / kChunk>;
#pragma unroll 1
    for (int key = 0; key < kKeys; key += 4) {
      float p[kRows][4];
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const u32 offset = ScoreTile<kKeys>::chunk_offset(row() + i * kRowThreads, key / 4);
        unpack_chunk<Dtype::kFp32>(ptx::ld_shared_v4(smem_p + offset), p[i]);
      }
#pragma unroll
      for (int k = 0; k < 4; ++k) {
#pragma unroll
        for (int u = 0; u < kUnits; ++u) {
          if (!has_unit(u)) continue;
          float v[kChunk];
          const u32 offset = Layout::offset(key + k, chunk() + u * kColThreads);
          unpack_chunk<kDtype>(ptx::ld_shared_v4(smem_v + offset), v);
#pragma unroll
          for (int i = 0; i < kRows; ++i) {
            if (kMasked && key + k >= limit[i]) continue;
#pragma unroll
            for (int c = 0; c < kChunk; ++c) acc[i][u][c] = __fmaf_rn(p[i][k], v[c], acc[i][u][c]);
          }
        }
      }
    }
  }

  __device__ __forceinline__ void scale_row(int i, float factor) {
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
#pragma unroll
      for (int c = 0; c < kChunk; ++c) acc[i][u][c] *= factor;
    }
  }

  // Stores row i, whose element 0 is at `dst`.
  __device__ __forceinline__ void store_row(int i, char* dst) const {
#pragma unroll
    for (int u = 0; u < kUnits; ++u) {
      const int c = chunk() + u * kColThreads;
      if (has_unit(u)) reinterpret_cast<U32x4*>(dst)[c] = pack_chunk<kDtype>(acc[i][u]);
    }
  }
};

// Copies kRows rows of kHeadDim elements to a swizzled tile through registers, 16 bytes a thread.
// With kBounded, rows from `valid` on are zeros. `negate` flips signs on the way.
template <Dtype kDtype, int kRows, int kHeadDim, bool kBounded>
__device__ __forceinline__ void load_tile(
    u32 smem, const char* src, i64 row_bytes, int valid, bool negate = false) {
  constexpr int kChunks = kHeadDim / kChunkElements<kDtype>;
#pragma unroll 4
  for (int i = int(threadIdx.x); i < kRows * kChunks; i += kFmaThreads) {
    const int row = i / kChunks;
    const int chunk = i % kChunks;
    U32x4 data = {0, 0, 0, 0};
    if (!kBounded || row < valid)
      data = *reinterpret_cast<const U32x4*>(src + row * row_bytes + chunk * 16);
    if (negate) data = negate_chunk<kDtype>(data);
    ptx::st_shared_v4(smem + Swizzle<kChunks>::offset(row, chunk), data);
  }
}

}  // namespace flashjit
