// Arithmetic that C++ has no word for: the approximations of the multi-function unit and packed
// conversions.
#pragma once
#include "types.h"

namespace flashjit::ptx {

// PTX ISA 9.7.3.22: ex2.approx, relative error 2^-22; subnormals are flushed.
__device__ __forceinline__ float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
// PTX ISA 9.7.3.21: lg2.approx, absolute error 2^-22 near 1.
__device__ __forceinline__ float log2_approx(float x) {
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
// PTX ISA 9.7.3.14: rcp.approx, relative error 2^-23.
__device__ __forceinline__ float rcp_approx(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
// PTX ISA 9.7.3.11: max. A NaN operand loses: max(NaN, x) = x.
__device__ __forceinline__ float max_f32(float a, float b) {
  float y;
  asm("max.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
}

// PTX ISA 9.7.9.21: cvt, two fp32 to a packed pair of 16-bit floats, round to nearest even; `lo` in
// bits 0 … 15. Before sm_80 there is no packed form, and none at all for bf16.
template <Dtype kDtype>
__device__ __forceinline__ u32 pack(float lo, float hi) {
  static_assert(kDtype != Dtype::kFp32);
  u32 y;
#if __CUDA_ARCH__ >= 800
  if constexpr (kDtype == Dtype::kBf16) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(hi), "f"(lo));
  } else {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(hi), "f"(lo));
  }
#else
  if constexpr (kDtype == Dtype::kBf16) {
    const u32 bits[2] = {__builtin_bit_cast(u32, lo), __builtin_bit_cast(u32, hi)};
    u32 rounded[2];
    for (int i = 0; i < 2; ++i) {
      const bool nan = (bits[i] & 0x7fffffffu) > 0x7f800000u;
      rounded[i] = nan ? 0x7fffu : (bits[i] + 0x7fffu + (bits[i] >> 16 & 1)) >> 16;
    }
    y = rounded[0] | rounded[1] << 16;
  } else {
    asm("{\n.reg .f16 lo, hi;\n"
        "cvt.rn.f16.f32 lo, %1;\n"
        "cvt.rn.f16.f32 hi, %2;\n"
        "mov.b32 %0, {lo, hi};\n}"
        : "=r"(y)
        : "f"(lo), "f"(hi));
  }
#endif
  return y;
}
// A 16-bit float as fp32 (exact).
template <Dtype kDtype>
__device__ __forceinline__ float to_float(u16 x) {
  static_assert(kDtype != Dtype::kFp32);
  float y;
  if constexpr (kDtype == Dtype::kBf16) {
    asm("mov.b32 %0, {%1, %2};" : "=f"(y) : "h"(u16(0)), "h"(x));
  } else {
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
  }
  return y;
}

}  // namespace flashjit::ptx
