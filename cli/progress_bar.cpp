#include "cli/progress_bar.h"

#include <fmt/format.h>

#include <cmath>

namespace flashjit::cli {
namespace {

constexpr std::size_t kWidth = 20;

std::string time_text(double seconds) {
  const auto whole = static_cast<long>(std::ceil(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  return fmt::format("{} min {} s", whole / 60, whole % 60);
}

}  // namespace

std::string progress_bar(const PreloadProgress& progress) {
  const std::size_t filled = progress.total == 0 ? kWidth : kWidth * progress.done / progress.total;
  std::string text = fmt::format(
      "[{:#<{}}{:-<{}}] {} of {}", "", filled, "", kWidth - filled, progress.done, progress.total);
  if (progress.compiled > 0) text += fmt::format(", {} compiled", progress.compiled);
  if (progress.failed > 0) text += fmt::format(", {} failed", progress.failed);
  if (progress.seconds_left > 0) text += fmt::format(", {} left", time_text(progress.seconds_left));
  return text;
}

}  // namespace flashjit::cli
