// Vectors of W floats in plain C++ (the compilers' vector extension), and what attention needs of
// them: exp2 and the conversions of fp16 and bf16. Everything is inlined into the functions of
// block_attention.cpp, which are compiled once for each instruction set.
#pragma once

#include <bit>
#include <cstdint>

#include "flashjit/kernel_config.h"

// Not functions of std: vectors wider than the baseline's registers must not cross a function
// boundary, even at -O0.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace flashjit::cpu {

template <int W>
struct Vectors;
template <>
struct Vectors<4> {
  using Float [[gnu::vector_size(16)]] = float;
  using Int [[gnu::vector_size(16)]] = std::int32_t;
  using Uint [[gnu::vector_size(16)]] = std::uint32_t;
  using Half [[gnu::vector_size(8)]] = std::uint16_t;
};
template <>
struct Vectors<8> {
  using Float [[gnu::vector_size(32)]] = float;
  using Int [[gnu::vector_size(32)]] = std::int32_t;
  using Uint [[gnu::vector_size(32)]] = std::uint32_t;
  using Half [[gnu::vector_size(16)]] = std::uint16_t;
};
template <>
struct Vectors<16> {
  using Float [[gnu::vector_size(64)]] = float;
  using Int [[gnu::vector_size(64)]] = std::int32_t;
  using Uint [[gnu::vector_size(64)]] = std::uint32_t;
  using Half [[gnu::vector_size(32)]] = std::uint16_t;
};

template <int W>
struct Simd : Vectors<W> {
  using typename Vectors<W>::Float;
  using typename Vectors<W>::Int;
  using typename Vectors<W>::Uint;
  using typename Vectors<W>::Half;

  template <typename V, typename T>
  [[gnu::always_inline]] static V load(const T* from) {
    V value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
  }
  template <typename V, typename T>
  [[gnu::always_inline]] static void store(T* to, const V& value) {
    __builtin_memcpy(to, &value, sizeof(value));
  }

  [[gnu::always_inline]] static Float splat(float value) { return Float{} + value; }

  // 2^x for x <= 0; exactly 0 below the normal numbers and for −inf, NaN for NaN and +inf. The
  // polynomial is a Chebyshev fit of 2^f on [−0.5, 0.5], relative error 5e-9, so rounding
  // dominates.
  [[gnu::always_inline]] static Float exp2(const Float& x) {
    constexpr float kRound = 12582912.0f;  // 1.5 · 2^23: adding it leaves an integer
    const Float nearest = (x + kRound) - kRound;
    const Float f = x - nearest;
    Float p = splat(1.545316294e-04f);
    p = p * f + 1.339086336e-03f;
    p = p * f + 9.618082557e-03f;
    p = p * f + 5.550357114e-02f;
    p = p * f + 2.402265076e-01f;
    p = p * f + 6.931471880e-01f;
    p = p * f + 1.0f;
    // Below −126, where the exponent would wrap, the product is replaced; NaN compares false and
    // stays.
    const Int tiny = x < -126.0f;
    const Float bounded = tiny ? Float{} : nearest;
    const Int exponent = __builtin_bit_cast(Int, bounded + (kRound + 127.0f)) << 23;
    return tiny ? Float{} : p * __builtin_bit_cast(Float, exponent);
  }

  [[gnu::always_inline]] static Float from_bf16(const Half& bits) {
    return __builtin_bit_cast(Float, __builtin_convertvector(bits, Uint) << 16);
  }

  // The exponent is rebiased by a multiplication, which also makes fp16's subnormals normal.
  [[gnu::always_inline]] static Float from_fp16(const Half& half) {
    const Uint bits = __builtin_convertvector(half, Uint);
    const Uint magnitude = (bits & 0x7fffu) << 13;
    const Uint finite = __builtin_bit_cast(Uint, __builtin_bit_cast(Float, magnitude) * 0x1p112f);
    const Uint special = magnitude | 0x7f800000u;  // inf, NaN
    const Uint value = (bits & 0x7c00u) == 0x7c00u ? special : finite;
    return __builtin_bit_cast(Float, value | ((bits & 0x8000u) << 16));
  }

  [[gnu::always_inline]] static Float load_as_float(const void* from, Dtype dtype) {
    switch (dtype) {
      case Dtype::kFp16:
        return from_fp16(load<Half>(static_cast<const std::uint16_t*>(from)));
      case Dtype::kBf16:
        return from_bf16(load<Half>(static_cast<const std::uint16_t*>(from)));
      case Dtype::kFp32:
        break;
    }
    return load<Float>(static_cast<const float*>(from));
  }
};

// Round to nearest, ties to even; NaN stays NaN.
inline std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

inline std::uint16_t to_fp16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // 65520 and up round to infinity
  if (magnitude < 0x38800000u) {
    // Subnormal in fp16: adding 0.5 lets the FPU round at 2^-24.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u);
  }
  const std::uint32_t rebiased = magnitude - (112u << 23);
  return sign | static_cast<std::uint16_t>((rebiased + 0xfffu + ((rebiased >> 13) & 1u)) >> 13);
}

}  // namespace flashjit::cpu
