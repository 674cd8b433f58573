// Host conversions between fp32 and the element types of tensors. Rounds to nearest even, as the
// devices do.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "flashjit/kernel_config.h"

namespace flashjit::cli {

inline float bf16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

inline std::uint16_t float_to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

inline float fp16_to_float(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1F;
  const int mantissa = bits & 0x3FF;
  float magnitude = 0;
  if (exponent == 31) {
    magnitude = mantissa != 0 ? NAN : INFINITY;
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(mantissa), -24);
  } else {
    magnitude = std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

inline std::uint16_t float_to_fp16(float value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return sign | 0x7E00;
  const float magnitude = std::abs(value);
  if (magnitude >= 65520.0f) return sign | 0x7C00;
  if (magnitude == 0) return sign;  // frexp gives it the exponent of 0.5
  int exponent = 0;
  std::frexp(magnitude, &exponent);               // magnitude < 2^exponent
  const int unit = std::max(exponent - 11, -24);  // log2 of the spacing here
  const float steps =
      std::nearbyint(std::ldexp(magnitude, -unit));  // exact: at most 12 bits before rounding
  // Subnormals count steps from 0; a normal number's exponent field is unit + 25 and its hidden bit
  // is one step of it.
  return static_cast<std::uint16_t>(sign | (static_cast<int>(steps) + (unit + 24) * 1024));
}

// One element of `dtype` at index `i`.
inline float load_element(const void* data, Dtype dtype, std::size_t i) {
  if (dtype == Dtype::kFp32) return static_cast<const float*>(data)[i];
  const std::uint16_t bits = static_cast<const std::uint16_t*>(data)[i];
  return dtype == Dtype::kFp16 ? fp16_to_float(bits) : bf16_to_float(bits);
}

inline void store_element(void* data, Dtype dtype, std::size_t i, float value) {
  if (dtype == Dtype::kFp32) {
    static_cast<float*>(data)[i] = value;
  } else {
    static_cast<std::uint16_t*>(data)[i] =
        dtype == Dtype::kFp16 ? float_to_fp16(value) : float_to_bf16(value);
  }
}

// `value` as `dtype` can hold it.
inline double round_to(double value, Dtype dtype) {
  const float narrow = static_cast<float>(value);
  switch (dtype) {
    case Dtype::kFp32:
      return narrow;
    case Dtype::kFp16:
      return fp16_to_float(float_to_fp16(narrow));
    case Dtype::kBf16:
      return bf16_to_float(float_to_bf16(narrow));
  }
  return narrow;
}

}  // namespace flashjit::cli
