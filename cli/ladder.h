// The way from the minimal kernel to the fastest one as tilings: each step adds one technique; and
// the fastest with one technique switched off at a time. What `flashjit bench --ladder` measures.
// Pure: needs no device.
#pragma once

#include <string>
#include <vector>

#include "problem.h"

namespace flashjit::cli {

struct Rung {
  std::string name;
  Tiling tiling;
};

struct Ladder {
  std::vector<Rung> steps;    // the last one is what the heuristic chooses
  std::vector<Rung> without;  // that one, less one technique
};

// All tilings are legal on `arch` and no two steps are alike. Throws Error(kNotSupported) where the
// problem has no sm90 tiling with two consumer warpgroups to start from.
Ladder make_ladder(const Problem& problem,
                   const ProblemShape& shape,
                   const Arch& arch,
                   int sm_count);

}  // namespace flashjit::cli
