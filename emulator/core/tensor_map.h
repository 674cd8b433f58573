// The emulator's tensor map, inside the 128 opaque bytes of flashjit::TensorMap: the arguments of
// cuTensorMapEncodeTiled, and the walk over the rows of a box.
#pragma once
#include <cstring>
#include <stdexcept>

#include "types.h"

namespace flashjit::emu {

enum class Swizzle : u8 { kNone = 0, k32B = 1, k64B = 2, k128B = 3 };

// Where the swizzle of TMA and wgmma puts the byte of shared address `addr`: bits 4 … 6 are mixed
// with bits 7 … 9, as many of them as the swizzle has.
constexpr u32 swizzled(Swizzle swizzle, u32 addr) {
  constexpr u32 kMask[] = {0, 0x10, 0x30, 0x70};
  return addr ^ (addr >> 3 & kMask[static_cast<int>(swizzle)]);
}

struct TensorMapFields {
  u8* base = nullptr;
  u64 strides[4] = {};  // bytes, of dimensions 1 … 4
  u32 dims[5] = {1, 1, 1, 1, 1};
  u16 box[5] = {1, 1, 1, 1, 1};
  u8 rank = 0;
  u8 element_bytes = 2;
  Swizzle swizzle = Swizzle::kNone;

  u32 row_bytes() const { return u32{box[0]} * element_bytes; }
  // From a row of the box to the next one in shared memory: with a swizzle its whole span, also
  // where rows are shorter.
  u32 pitch() const {
    constexpr u32 kSpan[] = {0, 32, 64, 128};
    return swizzle == Swizzle::kNone ? row_bytes() : kSpan[static_cast<int>(swizzle)];
  }
  u32 smem_bytes() const { return pitch() * num_rows(); }  // of which a load writes box_bytes()
  u32 num_rows() const { return u32{box[1]} * box[2] * box[3] * box[4]; }
  u32 box_bytes() const { return row_bytes() * num_rows(); }
};
static_assert(sizeof(TensorMapFields) <= sizeof(TensorMap));

// Throws std::invalid_argument where the driver returns an error.
TensorMap encode_tensor_map(const TensorMapFields& fields);

inline TensorMapFields decode_tensor_map(const TensorMap* map) {
  TensorMapFields fields;
  std::memcpy(static_cast<void*>(&fields), map, sizeof fields);
  return fields;
}

}  // namespace flashjit::emu
