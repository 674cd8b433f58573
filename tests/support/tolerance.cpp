#include "support/tolerance.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace flashjit::test {
namespace {

template <typename... T>
std::string print(const char* format, T... values) {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

// Why two values that are not both finite differ; nothing if they are the same special value.
bool same_special(double value, double ref) {
  if (std::isnan(ref)) return std::isnan(value);
  return value == ref;
}

}  // namespace

Verdict judge_output(Scalar scalar,
                     const std::vector<double>& out,
                     const std::vector<double>& ref,
                     const std::vector<double>& low,
                     double max_factor,
                     double mean_factor) {
  double max_error = 0, sum_error = 0, max_low = 0, sum_low = 0, max_rounding = 0;
  std::size_t worst = 0, count = 0;
  for (std::size_t i = 0; i < ref.size(); ++i) {
    if (!std::isfinite(ref[i]) || !std::isfinite(out[i])) {
      if (!same_special(out[i], ref[i]))
        return {false, print("element %zu is %g, the reference %g", i, out[i], ref[i])};
      continue;
    }
    const double error = std::fabs(out[i] - ref[i]), low_error = std::fabs(low[i] - ref[i]);
    const double shifted = round_to(scalar, round_to(scalar, ref[i] + 0.3) - 0.3);
    const double rounding = std::fabs(shifted - ref[i]);
    if (error > max_error) worst = i;
    max_error = std::max(max_error, error);
    max_low = std::max(max_low, low_error);
    max_rounding = std::max(max_rounding, rounding);
    sum_error += error;
    sum_low += low_error;
    ++count;
  }
  if (count == 0) return {};
  const double max_bound = max_factor * max_low + 2 * max_rounding;
  const double mean = sum_error / count, mean_bound = mean_factor * sum_low / count;
  return {
      max_error <= max_bound && mean <= mean_bound,
      print("max error %.3g at element %zu (%g, reference %g), bound %.3g; mean error %.3g, bound "
            "%.3g",
            max_error,
            worst,
            out[worst],
            ref[worst],
            max_bound,
            mean,
            mean_bound)};
}

Verdict judge_lse(Scalar scalar, const std::vector<double>& lse, const std::vector<double>& ref) {
  double largest = 0, max_error = 0;
  for (std::size_t i = 0; i < ref.size(); ++i) {
    if (!std::isfinite(ref[i]) || !std::isfinite(lse[i])) {
      if (!same_special(lse[i], ref[i]))
        return {false, print("lse %zu is %g, the reference %g", i, lse[i], ref[i])};
      continue;
    }
    largest = std::max(largest, std::fabs(ref[i]));
    max_error = std::max(max_error, std::fabs(lse[i] - ref[i]));
  }
  const double bound = (scalar == Scalar::kFp32 ? 1e-5 : 1e-3) + largest * 0x1p-21;
  return {max_error <= bound, print("max lse error %.3g, bound %.3g", max_error, bound)};
}

}  // namespace flashjit::test
