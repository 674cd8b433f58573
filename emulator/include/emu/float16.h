// 16-bit floats on the host: exact widening and rounding to nearest even.
#pragma once
#include <bit>

#include "types.h"

namespace flashjit::emu {

inline float fp16_to_float(u16 x) {
  const u32 sign = (x & 0x8000u) << 16, magnitude = x & 0x7fffu;
  if (magnitude < 0x400) {  // subnormal: a multiple of 2^-24
    const float f = static_cast<float>(magnitude) * 0x1p-24f;
    return sign ? -f : f;
  }
  const u32 bits = magnitude < 0x7c00 ? (magnitude << 13) + (112u << 23)
                                      : 0x7f800000u | (magnitude & 0x3ff) << 13;
  return std::bit_cast<float>(sign | bits);
}
inline u16 float_to_fp16(float x) {
  if (x != x) return 0x7fff;  // cvt gives the canonical NaN
  const u32 bits = std::bit_cast<u32>(x), magnitude = bits & 0x7fffffffu;
  const u16 sign = static_cast<u16>(bits >> 16 & 0x8000u);
  if (magnitude >= 0x47800000u) return sign | 0x7c00;  // 2^16 and more
  if (magnitude < 0x38800000u) {  // under 2^-14: beside 0.5 the last place is worth 2^-24
    const u32 sum = std::bit_cast<u32>(std::bit_cast<float>(magnitude) + 0.5f);
    return static_cast<u16>(sign | (sum - std::bit_cast<u32>(0.5f)));
  }
  return static_cast<u16>(sign | (magnitude - (112u << 23) + 0xfffu + (magnitude >> 13 & 1)) >> 13);
}
inline float bf16_to_float(u16 x) { return std::bit_cast<float>(u32{x} << 16); }
inline u16 float_to_bf16(float x) {
  if (x != x) return 0x7fff;  // cvt gives the canonical NaN
  const u32 bits = std::bit_cast<u32>(x);
  return static_cast<u16>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

template <Dtype kDtype>
float to_float(u16 x) {
  return kDtype == Dtype::kBf16 ? bf16_to_float(x) : fp16_to_float(x);
}

}  // namespace flashjit::emu
