#include "select.h"

#include <fmt/format.h>

#include <array>

#include "kernel_src/variant_plan.h"
#include "sm90_tiling.h"
#include "tma_layout.h"
#include "tuned_tilings.h"
#include "variant_source.h"

namespace flashjit {
namespace {

constexpr std::array kBySpeed = {Family::kSm90, Family::kSm80, Family::kSimt};

Tiling first_tiling(Family family,
                    const Problem& problem,
                    const ProblemShape& shape,
                    const Arch& arch,
                    int sm_count) {
  switch (family) {
    case Family::kStandard:
      return default_standard_tiling(problem, arch);
    case Family::kSimt:
      return default_simt_tiling(problem, arch);
    case Family::kSm80:
      return default_sm80_tiling(problem, arch, shape.seqlen_q);
    case Family::kSm90:
      // Where there is none, an illegal one, so that is_legal() says why.
      return default_sm90_tiling(problem, shape, arch, sm_count)
          .value_or(Tiling{.family = Family::kSm90});
  }
  return {};
}

std::string describe(const Problem& problem) {
  return fmt::format(
      "{}, head_dim {}/{}", to_string(problem.dtype), problem.head_dim_qk, problem.head_dim_v);
}

Selection select_forced(const KernelConfig& config,
                        const ProblemShape& shape,
                        const char* what,
                        ErrorCode code) {
  const char* reason = why_unsupported(config, shape);
  if (reason != nullptr)
    throw Error(code,
                fmt::format("options.{} cannot run this call ({}) on {}: {}",
                            what,
                            describe(config.problem),
                            arch_name(config.arch),
                            reason));
  return {config, fmt::format("forced {}", what), ""};
}

// A record knows nothing of strides, and may be older than a rule: its tiling is checked like a
// caller's, but refused with a note instead of an error.
std::optional<Selection> select_tuned(const Problem& problem,
                                      const ProblemShape& shape,
                                      const DeviceInfo& device,
                                      const TunedTilings& records,
                                      std::string& note) {
  std::optional<TunedTiling> tuned = records.find(problem, shape, device);
  if (!tuned) return std::nullopt;
  const KernelConfig config{problem, tuned->tiling, device.arch};
  const std::string how = fmt::format("record {}", to_string(tuned->match));
  if (const char* reason = why_unsupported(config, shape)) {
    note = fmt::format("{}: {}", how, reason);
    return std::nullopt;
  }
  return Selection{config, how, "", tuned->match, std::move(tuned->source)};
}

}  // namespace

const char* why_unsupported(const KernelConfig& config, const ProblemShape& shape) {
  if (const char* reason = why_illegal(config)) return reason;
  return config.tiling.family == Family::kSm90 ? why_not_sm90(config.problem, shape) : nullptr;
}

std::optional<Tiling> default_tiling(Family family,
                                     const Problem& problem,
                                     const ProblemShape& shape,
                                     const Arch& arch,
                                     int sm_count) {
  const Tiling tiling = first_tiling(family, problem, shape, arch, sm_count);
  if (why_unsupported({problem, tiling, arch}, shape) != nullptr) return std::nullopt;
  return tiling;
}

Selection select(const Problem& problem,
                 const ProblemShape& shape,
                 const DeviceInfo& device,
                 const std::optional<Family>& family,
                 const std::optional<Tiling>& tiling,
                 const TunedTilings* records) {
  if (tiling)
    return select_forced(
        {problem, *tiling, device.arch}, shape, "tiling", ErrorCode::kInvalidArgument);
  if (family)
    return select_forced(
        {problem, first_tiling(*family, problem, shape, device.arch, device.sm_count), device.arch},
        shape,
        "family",
        ErrorCode::kNotSupported);

  std::string reasons;
  if (records != nullptr) {
    if (auto tuned = select_tuned(problem, shape, device, *records, reasons)) return *tuned;
  }
  for (const Family candidate : kBySpeed) {
    const KernelConfig config{problem,
                              first_tiling(candidate, problem, shape, device.arch, device.sm_count),
                              device.arch};
    const char* reason = why_unsupported(config, shape);
    if (reason == nullptr) return {config, "heuristic", reasons};
    reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", reason);
  }
  throw Error(ErrorCode::kNotSupported,
              fmt::format("no kernel runs {} on {} ({}): {}",
                          describe(problem),
                          device.name,
                          arch_name(device.arch),
                          reasons));
}

}  // namespace flashjit
