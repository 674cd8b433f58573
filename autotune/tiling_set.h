// Sets of tilings by their hash: whole spaces hold tens of thousands.
#pragma once

#include <cstddef>
#include <unordered_set>

#include "kernel_table.h"

namespace flashjit {

struct TilingHash {
  std::size_t operator()(const Tiling& tiling) const { return hash_of({{}, tiling, {}}); }
};
using TilingSet = std::unordered_set<Tiling, TilingHash>;

}  // namespace flashjit
