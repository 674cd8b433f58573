#include "cpu/simd.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "support/catch.h"
#include "support/scalar.h"

namespace flashjit::cpu {
namespace {

using S = Simd<4>;

float exp2_of(float x) { return S::exp2(S::splat(x))[0]; }

test::Scalar scalar_of(Dtype dtype) {
  return dtype == Dtype::kFp16 ? test::Scalar::kFp16 : test::Scalar::kBf16;
}

}  // namespace

TEST_CASE("exp2 is within 2 ulp and keeps its special values") {
  const float infinity = std::numeric_limits<float>::infinity();
  REQUIRE(exp2_of(0) == 1);
  REQUIRE(exp2_of(-infinity) == 0);
  REQUIRE(exp2_of(-127) == 0);
  REQUIRE(std::isnan(exp2_of(std::nanf(""))));
  std::mt19937 random(std::random_device{}());
  std::uniform_real_distribution<float> uniform(-126, 0);
  for (int i = 0; i < 100000; ++i) {
    const float x = uniform(random);
    const double exact = std::exp2(static_cast<double>(x));
    INFO(x);
    REQUIRE(std::fabs(exp2_of(x) - exact) <= 2 * 0x1p-23 * exact);
  }
}

TEST_CASE("every 16-bit pattern converts to fp32 and back") {
  for (const Dtype dtype : {Dtype::kFp16, Dtype::kBf16}) {
    for (unsigned bits = 0; bits < 0x10000; ++bits) {
      const std::uint16_t half[8] = {static_cast<std::uint16_t>(bits)};
      std::byte bytes[2];
      std::memcpy(bytes, half, 2);
      const double expected = test::decode(scalar_of(dtype), bytes);
      const float value = S::load_as_float(half, dtype)[0];
      const std::uint16_t back = dtype == Dtype::kFp16 ? to_fp16(value) : to_bf16(value);
      INFO(bits);
      if (std::isnan(expected)) {
        REQUIRE(std::isnan(value));
        const std::uint16_t again[8] = {back};
        REQUIRE(std::isnan(S::load_as_float(again, dtype)[0]));
      } else {
        REQUIRE(value == expected);
        REQUIRE(back == bits);
      }
    }
  }
}

TEST_CASE("fp32 rounds to 16 bits as the oracle does") {
  std::mt19937 random(std::random_device{}());
  for (int i = 0; i < 200000; ++i) {
    // Half of the values in fp16's range, half anywhere.
    std::uint32_t bits = random();
    if (i % 2 == 0) bits = (bits & 0x80000fffu) | ((90 + random() % 60) << 23) | (bits & 0x7ff000u);
    // Some exactly between two results.
    if (i % 5 == 0) bits &= 0xfffff000u;
    if (i % 7 == 0) bits = (bits & 0xffff0000u) | 0x8000u;
    const float value = std::bit_cast<float>(bits);
    if (std::isnan(value)) continue;
    INFO(value);
    std::uint16_t expected = 0;
    test::encode(test::Scalar::kBf16, value, reinterpret_cast<std::byte*>(&expected));
    REQUIRE(to_bf16(value) == expected);
    test::encode(test::Scalar::kFp16, value, reinterpret_cast<std::byte*>(&expected));
    REQUIRE(to_fp16(value) == expected);
  }
}

}  // namespace flashjit::cpu
