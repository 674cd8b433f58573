#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>

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

void show_progress(const std::string& sentence, Report& report) {
  using Clock = std::chrono::steady_clock;
  static Clock::time_point last_line = Clock::now();
  report.progress(sentence);
  if (isatty(STDERR_FILENO) != 0 || Clock::now() - last_line < std::chrono::seconds(10)) return;
  last_line = Clock::now();
  fmt::print(stderr, "{}\n", sentence);
}

}  // namespace flashjit::cli
