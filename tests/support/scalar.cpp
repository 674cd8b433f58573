#include "support/scalar.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace flashjit::test {
namespace {

struct Format {
  int mantissa_bits;  // stored
  int exponent_bits;
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
};

Format format_of(Scalar scalar) {
  switch (scalar) {
    case Scalar::kFp16:
      return {10, 5};
    case Scalar::kBf16:
      return {7, 8};
    case Scalar::kFp32:
      break;
  }
  return {23, 8};
}

}  // namespace

std::size_t bytes_of(Scalar scalar) { return scalar == Scalar::kFp32 ? 4 : 2; }

const char* name_of(Scalar scalar) {
  return scalar == Scalar::kFp16 ? "fp16" : scalar == Scalar::kBf16 ? "bf16" : "fp32";
}

double round_to(Scalar scalar, double value) {
  if (!std::isfinite(value) || value == 0) return value;
  const Format format = format_of(scalar);
  const int exponent = std::max(std::ilogb(value), 1 - format.bias());
  const double ulp = std::ldexp(1.0, exponent - format.mantissa_bits);
  const double rounded = std::nearbyint(value / ulp) * ulp;
  const double largest = std::ldexp(2.0 - std::ldexp(1.0, -format.mantissa_bits), format.bias());
  if (std::fabs(rounded) <= largest) return rounded;
  return std::copysign(std::numeric_limits<double>::infinity(), value);
}

double decode(Scalar scalar, const std::byte* from) {
  const Format format = format_of(scalar);
  std::uint32_t bits = 0;
  std::memcpy(&bits, from, bytes_of(scalar));
  const std::uint32_t mantissa = bits & ((1u << format.mantissa_bits) - 1);
  const int exponent =
      static_cast<int>(bits >> format.mantissa_bits) & ((1 << format.exponent_bits) - 1);
  const bool negative = (bits >> (format.mantissa_bits + format.exponent_bits)) & 1;
  double value = 0;
  if (exponent == (1 << format.exponent_bits) - 1)
    value = mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                          : std::numeric_limits<double>::infinity();
  else if (exponent == 0)
    value = std::ldexp(mantissa, 1 - format.bias() - format.mantissa_bits);
  else
    value = std::ldexp((1u << format.mantissa_bits) + mantissa,
                       exponent - format.bias() - format.mantissa_bits);
  return negative ? -value : value;
}

void encode(Scalar scalar, double value, std::byte* to) {
  const Format format = format_of(scalar);
  const std::uint32_t infinite = ((1u << format.exponent_bits) - 1) << format.mantissa_bits;
  const double rounded = round_to(scalar, value);
  std::uint32_t bits = 0;
  if (std::isnan(rounded)) {
    bits = infinite | (1u << (format.mantissa_bits - 1));
  } else if (std::isinf(rounded)) {
    bits = infinite;
  } else if (rounded != 0) {
    const int exponent = std::max(std::ilogb(rounded), 1 - format.bias());
    const auto mantissa =
        static_cast<std::uint32_t>(std::ldexp(std::fabs(rounded), format.mantissa_bits - exponent));
    // A normal number's leading bit adds the 1 that a subnormal's exponent field lacks.
    bits = (static_cast<std::uint32_t>(exponent + format.bias() - 1) << format.mantissa_bits) +
           mantissa;
  }
  if (std::signbit(rounded)) bits |= 1u << (format.mantissa_bits + format.exponent_bits);
  std::memcpy(to, &bits, bytes_of(scalar));
}

}  // namespace flashjit::test
