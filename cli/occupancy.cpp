#include "cli/occupancy.h"

#include <algorithm>
#include <utility>

#include "kernel_src/variant_plan.h"

namespace flashjit::cli {
namespace {

constexpr int kRegisterUnit = 256;  // registers that a warp gets at once
constexpr int kSmemUnit = 128;

}  // namespace

SmLimits sm_limits(const Arch& arch) {
  const int cc = 10 * arch.major + arch.minor;
  SmLimits limits;
  limits.smem_reserved_bytes = arch.major >= 8 ? 1024 : 0;
  limits.smem_bytes = max_smem_bytes(arch) + limits.smem_reserved_bytes;
  if (cc == 75) {
    limits.max_threads = 1024;
    limits.max_ctas = 16;
  } else if (cc == 80 || cc == 90 || arch.major == 10) {
    limits.max_threads = 2048;
    limits.max_ctas = 32;
  } else if (cc == 86 || cc == 87) {
    limits.max_threads = 1536;
    limits.max_ctas = 16;
  } else {  // 8.9, 11.x, 12.x
    limits.max_threads = 1536;
    limits.max_ctas = 24;
  }
  return limits;
}

Occupancy occupancy(const ResourceUse& use, const Arch& arch) {
  const SmLimits limits = sm_limits(arch);
  const int warps = ceil_div(std::max(use.threads, 1), 32);
  const int registers = warps * round_up(32 * use.registers, kRegisterUnit);
  const int smem = round_up(
      use.static_smem_bytes + use.dynamic_smem_bytes + limits.smem_reserved_bytes, kSmemUnit);
  const std::pair<int, const char*> bounds[] = {
      {smem > 0 ? limits.smem_bytes / smem : limits.max_ctas, "shared memory"},
      {registers > 0 ? limits.registers / registers : limits.max_ctas, "registers"},
      {limits.max_threads / (32 * warps), "threads"},
      {limits.max_ctas, "CTAs"}};
  const auto& tightest =
      *std::min_element(std::begin(bounds), std::end(bounds), [](const auto& a, const auto& b) {
        return a.first < b.first;
      });
  return {.ctas_per_sm = tightest.first,
          .warps_per_sm = tightest.first * warps,
          .max_warps_per_sm = limits.max_threads / 32,
          .limited_by = tightest.second};
}

}  // namespace flashjit::cli
