#include "cubin_compatibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "variant_name.h"

namespace flashjit {
namespace {

std::string cuda_version(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

}  // namespace

std::vector<Arch> runnable_targets(const Arch& device) {
  constexpr int kKnown[] = {121, 120, 110, 103, 100, 90, 89, 87, 86, 80, 75};
  std::vector<Arch> targets = {device};
  for (const int cc : kKnown) {
    const Arch target{.major = cc / 10, .minor = cc % 10, .specific = false};
    if (target != device && can_run(target, device)) targets.push_back(target);
  }
  return targets;
}

int minimum_driver(const Arch& target, const std::string& compiler_build) {
  constexpr std::string_view kPrefix = "nvrtc ";
  if (!compiler_build.starts_with(kPrefix)) return 0;
  const char* digits = compiler_build.data() + kPrefix.size();
  int major = 0;
  const auto parsed = std::from_chars(digits, compiler_build.data() + compiler_build.size(), major);
  if (parsed.ec != std::errc() || major < 0 || major > 1000) return 0;
  return std::max(1000 * major, first_cuda_version(target));
}

std::string why_not_loadable(const Arch& target,
                             const std::string& compiler_build,
                             const Arch& device,
                             int driver_version) {
  if (!can_run(target, device)) {
    return fmt::format(
        "a cubin for {} does not run on compute capability {}.{}; build the variant for that GPU",
        arch_name(target),
        device.major,
        device.minor);
  }
  const int minimum = minimum_driver(target, compiler_build);
  if (driver_version != 0 && driver_version < minimum) {
    return fmt::format(
        "the cubin ({}, {}) needs a driver of CUDA {} or newer, this one is of CUDA {}; update the "
        "driver or build with NVRTC {}",
        arch_name(target),
        compiler_build,
        cuda_version(minimum),
        cuda_version(driver_version),
        driver_version / 1000);
  }
  return "";
}

}  // namespace flashjit
