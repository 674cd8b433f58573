// Verification of a candidate: samples of its output against those of the tiling that was verified
// first, the default.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "kernel_src/types.h"

namespace flashjit {

struct OutputSample {
  std::vector<float> o;    // runs of consecutive elements of O
  std::size_t run = 1;     // elements of each
  std::vector<float> lse;  // natural logarithms; empty where the problem returns none
};

class OutputCheck {
 public:
  explicit OutputCheck(Dtype dtype) : dtype_(dtype) {}

  // "" or what is wrong. The first sample becomes what the others are compared with: of itself only
  // NaN and infinity say that it is wrong.
  std::string compare(const OutputSample& output);

 private:
  std::string compare_o(const OutputSample& output) const;
  std::string compare_lse(const OutputSample& output) const;

  const Dtype dtype_;
  OutputSample reference_;
};

}  // namespace flashjit
