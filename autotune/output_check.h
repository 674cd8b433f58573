// Verification of a candidate: samples of its output against those of the tiling that was verified
// first, the default.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "kernel_src/types.h"

namespace flashjit {

// The tokens of O that a check looks at: `count` of them, one in every `stride`.
struct TokenSample {
  std::size_t stride = 1;
  std::size_t count = 0;
};

// All of them where that is quick, else at least one of any 16 consecutive ones, which one warp
// writes, and of very large outputs of any 64, a warpgroup's: a tile that a candidate leaves out,
// and is fast by, is seen. `elements`: of a token, all heads.
TokenSample sample_tokens(std::size_t tokens, std::size_t elements);

struct OutputSample {
  std::vector<float> o;    // of each sampled token all heads
  std::size_t run = 1;     // elements of a token
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
