#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "cli/table.h"

namespace flashjit::cli {
namespace {

constexpr std::size_t kWidth = 20;

std::string time_text(double seconds) {
  const auto whole = static_cast<long>(std::ceil(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  return fmt::format("{} min {} s", whole / 60, whole % 60);
}

}  // namespace

std::string bar(std::size_t done, std::size_t total, std::size_t width) {
  const std::size_t filled = total == 0 ? width : width * std::min(done, total) / total;
  return fmt::format("[{:#<{}}{:-<{}}]", "", filled, "", width - filled);
}

std::string_view fit_line(std::string_view line, std::size_t columns) {
  std::size_t bytes = line.size();
  while (display_width(line.substr(0, bytes)) > columns) {
    do {
      --bytes;  // to the first byte of the last character
    } while ((static_cast<unsigned char>(line[bytes]) & 0xC0) == 0x80);
  }
  return line.substr(0, bytes);
}

std::string progress_bar(const PreloadProgress& progress) {
  std::string text = fmt::format(
      "{} {} of {}", bar(progress.done, progress.total, kWidth), progress.done, progress.total);
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
