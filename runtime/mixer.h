// The hash of what is looked up in every call: tensors, problems, variants.
#pragma once

#include <bit>
#include <cstdint>

namespace flashjit {

// One multiplication per word spreads small integers over the upper bits; the rotation brings them
// back down for the next.
class Mixer {
 public:
  void add(std::uint64_t value) { state_ = std::rotl(state_ ^ value, 29) * 0x9E3779B97F4A7C15ull; }
  std::uint64_t top_bits(int count) const { return state_ >> (64 - count); }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace flashjit
