// The tiling that an sm90 problem gets without a tuning record: candidates by what the registers
// and the shared memory hold, ranked by a model of waves and measured efficiencies.
#pragma once

#include <optional>
#include <vector>

#include "problem.h"

namespace flashjit {

// One legal tiling for each useful number of consumer warpgroups; empty for problems that the
// family does not know (fp32). Registers decide block_n, shared memory the number of stages.
std::vector<Tiling> sm90_default_candidates(const Problem& problem);

// The candidate that should be fastest; nothing where there is none or `arch` is not sm_90a.
std::optional<Tiling> default_sm90_tiling(const Problem& problem,
                                          const ProblemShape& shape,
                                          const Arch& arch,
                                          int sm_count);

}  // namespace flashjit
