// The steps of a local search.
#pragma once

#include <vector>

#include "search_space.h"

namespace flashjit {

// Tilings that differ from `tiling` in one field, block_n by 32 at most, and lie in `space`: what a
// local search looks at next.
std::vector<Tiling> neighbours(const Tiling& tiling, const std::vector<Candidate>& space);

}  // namespace flashjit
