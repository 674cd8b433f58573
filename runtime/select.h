// Problem + device → Tiling: a forced one, else a tuning record, else the heuristic; and says which
// it was.
#pragma once

#include <optional>
#include <string>

#include "problem.h"

namespace flashjit {

struct Selection {
  KernelConfig config;
  std::string selected_by;  // "forced", "heuristic"
};

// Throws Error(kNotSupported) when no family has a legal tiling, Error(kInvalidArgument) for an
// illegal forced one.
Selection select(const Problem& problem,
                 const ProblemShape& shape,
                 const DeviceInfo& device,
                 const std::optional<Family>& family,
                 const std::optional<Tiling>& tiling);

// The default tiling of one family, or nothing where none is legal on `arch`.
std::optional<Tiling> default_tiling(Family family,
                                     const Problem& problem,
                                     const ProblemShape& shape,
                                     const Arch& arch,
                                     int sm_count);

}  // namespace flashjit
