// The emulator's kernel_src/ptx/math.h. The approximations are correctly rounded here; the GPU's
// differ within the error that their comment there names. Subnormals are flushed as by .ftz.
#pragma once
#include <bit>
#include <cmath>

#include "emu/device.h"
#include "emu/float16.h"

namespace flashjit::ptx {

namespace detail {
inline float flush_subnormal(float x) {
  return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x;
}
}  // namespace detail

inline float exp2_approx(float x) {
  return detail::flush_subnormal(std::exp2(detail::flush_subnormal(x)));
}
inline float log2_approx(float x) { return std::log2(detail::flush_subnormal(x)); }
inline float rcp_approx(float x) {
  return detail::flush_subnormal(1.0f / detail::flush_subnormal(x));
}
inline float max_f32(float a, float b) {
  if (a > b) return a;
  if (b > a) return b;
  if (a == b) return std::signbit(a) ? b : a;  // +0 > −0
  return a == a ? a : b == b ? b : std::bit_cast<float>(0x7fffffffu);
}

template <Dtype kDtype>
u32 pack(float lo, float hi) {
  static_assert(kDtype != Dtype::kFp32);
  if constexpr (kDtype == Dtype::kBf16) {
    return u32{emu::float_to_bf16(lo)} | u32{emu::float_to_bf16(hi)} << 16;
  } else {
    return u32{emu::float_to_fp16(lo)} | u32{emu::float_to_fp16(hi)} << 16;
  }
}
template <Dtype kDtype>
float to_float(u16 x) {
  static_assert(kDtype != Dtype::kFp32);
  return emu::to_float<kDtype>(x);
}

}  // namespace flashjit::ptx
