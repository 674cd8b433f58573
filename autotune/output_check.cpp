#include "output_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace flashjit {
namespace {

// Two correct tilings differ by the rounding of P and O: some units in the last place of the
// largest values near by; and in the logarithm of a row's sum by that of the sum.
double tolerance(Dtype dtype) {
  switch (dtype) {
    case Dtype::kBf16:
      return 1.0 / 64;
    case Dtype::kFp16:
      return 1.0 / 512;
    case Dtype::kFp32:
      return 1e-4;
  }
  return 0;
}

// Equal infinities, which rows without a key have, are equal.
double distance(float a, float b) {
  if (a == b) return 0;
  const double difference = std::abs(static_cast<double>(a) - b);
  return std::isnan(difference) ? INFINITY : difference;
}

}  // namespace

TokenSample sample_tokens(std::size_t tokens, std::size_t elements) {
  constexpr std::size_t kQuick = std::size_t{1} << 22;  // elements; compared in 20 ms
  TokenSample sample;
  // Primes just below a warp's and a warpgroup's rows: they come by every row of both.
  for (const std::size_t stride : {1, 13, 61}) {
    sample = {stride, (tokens + stride - 1) / stride};
    if (sample.count * elements <= kQuick) break;
  }
  return sample;
}

std::string OutputCheck::compare(const OutputSample& output) {
  if (reference_.o.empty()) {
    reference_ = output;
    const bool good =
        std::all_of(output.o.begin(), output.o.end(), [](float x) { return std::isfinite(x); }) &&
        std::none_of(output.lse.begin(), output.lse.end(), [](float x) { return std::isnan(x); });
    return good ? "" : "the output is not finite";
  }
  const std::string error = compare_o(output);
  return error.empty() ? compare_lse(output) : error;
}

// Each run by its own largest value: a late row of a long causal sequence is a mean of thousands of
// values, a hundredth of the first row.
std::string OutputCheck::compare_o(const OutputSample& output) const {
  for (std::size_t first = 0; first < output.o.size(); first += output.run) {
    double largest = 0, error = 0;
    const std::size_t end = std::min(first + output.run, output.o.size());
    for (std::size_t i = first; i < end; ++i) {
      largest = std::max(largest, static_cast<double>(std::abs(reference_.o[i])));
      error = std::max(error, distance(output.o[i], reference_.o[i]));
    }
    const double bound = tolerance(dtype_) * largest;
    if (error > bound)
      return fmt::format("differs from the default tiling by {:.3g}, bound {:.3g}", error, bound);
  }
  return "";
}

std::string OutputCheck::compare_lse(const OutputSample& output) const {
  double error = 0;
  for (std::size_t i = 0; i < output.lse.size(); ++i)
    error = std::max(error, distance(output.lse[i], reference_.lse[i]));
  const double bound = tolerance(dtype_);
  if (error <= bound) return "";
  return fmt::format(
      "its lse differs from the default tiling's by {:.3g}, bound {:.3g}", error, bound);
}

}  // namespace flashjit
