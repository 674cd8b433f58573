// Verification of candidates: what rounding does passes, what a wrong kernel writes does not.
#include "autotune/output_check.h"

#include <cmath>
#include <limits>
#include <random>

#include "support/catch.h"

namespace flashjit {
namespace {

constexpr std::size_t kRun = 2048;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// As of a causal problem of 16k keys: row i is a mean of i values, so each run is smaller.
OutputSample causal_sample() {
  OutputSample sample;
  sample.run = kRun;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (int run = 0; run < 64; ++run) {
    const float sigma = 1 / std::sqrt(1.0f + 256.0f * static_cast<float>(run));
    for (std::size_t i = 0; i < kRun; ++i) sample.o.push_back(sigma * normal(random));
    sample.lse.push_back(std::log(1.0f + 256.0f * static_cast<float>(run)));
  }
  sample.lse[0] = -kInfinity;  // a row without keys
  return sample;
}

std::string check(Dtype dtype, const OutputSample& output) {
  OutputCheck check(dtype);
  REQUIRE(check.compare(causal_sample()).empty());
  return check.compare(output);
}

TEST_CASE("what rounding to the dtype changes is no error") {
  OutputSample rounded = causal_sample();
  for (std::size_t i = 0; i < rounded.o.size(); ++i) rounded.o[i] *= i % 2 ? 1 + 1 / 256.0f : 1;
  for (float& lse : rounded.lse) lse += 1 / 512.0f;
  CHECK(check(Dtype::kBf16, rounded).empty());
  CHECK_THAT(check(Dtype::kFp32, rounded), ContainsSubstring("differs"));
  CHECK(check(Dtype::kFp32, causal_sample()).empty());
}

TEST_CASE("of 16 consecutive tokens one is looked at, of a very large output of 64") {
  const auto gap_of = [](std::size_t tokens, std::size_t elements) {
    const TokenSample sample = sample_tokens(tokens, elements);
    REQUIRE(sample.count > 0);
    CHECK((sample.count - 1) * sample.stride < tokens);
    CHECK(sample.count * sample.stride >= tokens);
    return sample.stride;
  };
  CHECK(gap_of(64, 32 * 128) == 1);  // decode: each token is a tile
  CHECK(gap_of(1, 16 * 128) == 1);
  CHECK(gap_of(16384, 2048) < 16);  // the grid
  CHECK(gap_of(16384, 2048) > 4);   // a share of 67 MB
  CHECK(gap_of(1 << 20, 4096) < 64);
  CHECK(sample_tokens(0, 2048).count == 0);
}

TEST_CASE("a zeroed late row is found, small as its values are") {
  OutputSample zeroed = causal_sample();
  std::fill(zeroed.o.end() - 128, zeroed.o.end(), 0.0f);
  float largest = 0;
  for (std::size_t i = zeroed.o.size() - 128; i < zeroed.o.size(); ++i)
    largest = std::max(largest, std::abs(causal_sample().o[i]));
  REQUIRE(largest < 4.0f / 64);  // below a bound by the largest value of all
  CHECK_THAT(check(Dtype::kBf16, zeroed), ContainsSubstring("differs"));
}

TEST_CASE("lse is compared, with the infinity of rows without keys") {
  OutputSample output = causal_sample();
  output.lse[40] = 0;
  CHECK_THAT(check(Dtype::kBf16, output), ContainsSubstring("lse differs"));
  output = causal_sample();
  output.lse[0] = 0;
  CHECK_THAT(check(Dtype::kBf16, output), ContainsSubstring("lse differs"));
  output.lse[0] = NAN;
  CHECK_THAT(check(Dtype::kBf16, output), ContainsSubstring("lse differs"));
}

TEST_CASE("NaN is wrong wherever it stands, in the first output too") {
  OutputSample output = causal_sample();
  output.o[kRun * 20] = NAN;
  CHECK_THAT(check(Dtype::kFp16, output), ContainsSubstring("differs"));
  OutputCheck first(Dtype::kFp16);
  CHECK(first.compare(output) == "the output is not finite");
  output = causal_sample();
  output.lse[7] = NAN;
  OutputCheck second(Dtype::kFp16);
  CHECK(second.compare(output) == "the output is not finite");
}

}  // namespace
}  // namespace flashjit
