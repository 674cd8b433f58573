// Elements of a tensor by dtype: 16-byte chunks to fp32 and back, and where a row starts in global
// memory. Used by the kernels that compute in fp32 and by every epilogue.
#pragma once
#include "fwd_params.h"
#include "ptx/math.h"

namespace flashjit {

template <Dtype kDtype>
inline constexpr int kChunkElements = 16 / size_of(kDtype);

// Byte address of element [batch, seq, head, 0]. All products in 64 bits.
template <Dtype kDtype>
__device__ __forceinline__ const char* row_address(
    const void* tensor, const Strides& stride, int batch, int seq, int head) {
  return static_cast<const char*>(tensor) +
         (batch * stride.batch + seq * stride.seq + head * stride.head) * size_of(kDtype);
}
template <Dtype kDtype>
__device__ __forceinline__ char* row_address(
    void* tensor, const Strides& stride, int batch, int seq, int head) {
  return static_cast<char*>(tensor) +
         (batch * stride.batch + seq * stride.seq + head * stride.head) * size_of(kDtype);
}

template <Dtype kDtype>
__device__ __forceinline__ void unpack_chunk(const U32x4& chunk,
                                             float (&x)[kChunkElements<kDtype>]) {
  const u32 words[4] = {chunk.x, chunk.y, chunk.z, chunk.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (kDtype == Dtype::kFp32) {
      x[i] = __builtin_bit_cast(float, words[i]);
    } else {
      x[2 * i] = ptx::to_float<kDtype>(u16(words[i]));
      x[2 * i + 1] = ptx::to_float<kDtype>(u16(words[i] >> 16));
    }
  }
}

template <Dtype kDtype>
__device__ __forceinline__ U32x4 pack_chunk(const float (&x)[kChunkElements<kDtype>]) {
  u32 words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (kDtype == Dtype::kFp32) {
      words[i] = __builtin_bit_cast(u32, x[i]);
    } else {
      words[i] = ptx::pack<kDtype>(x[2 * i], x[2 * i + 1]);
    }
  }
  return {words[0], words[1], words[2], words[3]};
}

// Flips the sign of every element (FwdParams::negate_q).
template <Dtype kDtype>
__device__ __forceinline__ U32x4 negate_chunk(const U32x4& chunk) {
  constexpr u32 kSigns = kDtype == Dtype::kFp32 ? 0x80000000u : 0x80008000u;
  return {chunk.x ^ kSigns, chunk.y ^ kSigns, chunk.z ^ kSigns, chunk.w ^ kSigns};
}

}  // namespace flashjit
