// The source of every random decision of a CTA: splitmix64, so that a seed means the same schedule
// everywhere.
#pragma once
#include <cstdint>

namespace flashjit::emu {

class Random {
 public:
  void seed(std::uint64_t seed) { state_ = seed; }
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  std::uint32_t below(std::size_t n) { return static_cast<std::uint32_t>(next() % n); }
  bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1p-53 < p; }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace flashjit::emu
