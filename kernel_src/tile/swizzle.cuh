// Where a 16-byte chunk of a row-major tile stands in shared memory: the XOR swizzle that makes
// eight consecutive rows of one chunk column fall into eight different groups of four banks, for
// any row length, without padding. Knows nothing of element types.
//
// A row of kChunks = odd · 2^b chunks moves the bank group by 2^b chunks (mod 8), so rows repeat
// after 2^(3-b); the repeats are told apart by XORing b bits of the row number into the chunk. For
// kChunks = 8 this is the 128-byte swizzle of TMA and wgmma; an odd row length needs no swizzle.
#pragma once
#include "types.h"

namespace flashjit {

template <int kChunks>
struct Swizzle {
  static constexpr int kBits = kChunks % 8 == 0   ? 3
                               : kChunks % 4 == 0 ? 2
                               : kChunks % 2 == 0 ? 1
                                                  : 0;
  static constexpr int kMask = (1 << kBits) - 1;
  static constexpr u32 kPitch = kChunks * 16;  // bytes of a row

  // Byte offset of a chunk. Adding 8 rows adds 8 · kPitch: the swizzle repeats.
  static __device__ __forceinline__ u32 offset(int row, int chunk) {
    return u32(row) * kPitch + u32(chunk ^ (row >> (3 - kBits) & kMask)) * 16;
  }

  // Address of chunk c + even_chunk, from the address of chunk c of the same row, c in {0, 1}: with
  // a constant even_chunk one XOR instead of a new offset. The tile must be 128-byte aligned.
  static __device__ __forceinline__ u32 advance(u32 addr, int even_chunk) {
    return (addr ^ u32(even_chunk & kMask) * 16) + u32(even_chunk & ~kMask) * 16;
  }
};

}  // namespace flashjit
