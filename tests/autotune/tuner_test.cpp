// The search against a device that is made up: what it finds, how it treats failures, ties,
// time-outs and losses.
#include "autotune/tuner.h"

#include <cmath>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "flashjit/error.h"
#include "kernel_src/variant_plan.h"
#include "support/catch.h"

namespace flashjit {
namespace {

constexpr Problem kProblem = {.dtype = Dtype::kBf16, .head_dim_qk = 128, .head_dim_v = 128};

DeviceInfo h100() {
  DeviceInfo device;
  device.name = "made up";
  device.arch = {9, 0, true};
  device.sm_count = 132;
  return device;
}

ProblemShape shape_4096() {
  ProblemShape shape;
  shape.batch = 4;
  shape.num_heads_q = shape.num_heads_kv = 16;
  shape.seqlen_q = shape.seqlen_kv = 4096;
  return shape;
}

std::vector<Candidate> sm80_space() {
  return search_space(Family::kSm80, kProblem, shape_4096(), h100());
}

// Times are a function of the tiling, with noise when asked for.
class FakeTarget : public TuningTarget {
 public:
  std::string compile(const Tiling& tiling) override {
    const std::lock_guard lock(mutex_);
    compiled_.insert(key(tiling));
    return tiling.block_n == bad_block_n_ ? "error: out of registers" : "";
  }
  std::string verify(const Tiling& tiling) override {
    verified_.insert(key(tiling));
    return tiling.num_stages == wrong_stages_ ? "max error 0.3, bound 0.01" : "";
  }
  std::vector<Timing> time(std::span<const Tiling> tilings, int rounds) override {
    std::vector<Timing> timings;
    for (const Tiling& tiling : tilings) {
      REQUIRE(compiled_.contains(key(tiling)));
      REQUIRE(verified_.contains(key(tiling)));
      if (--calls_left_ < 0) throw Error(ErrorCode::kDriver, "CUDA_ERROR_DEVICE_LOST");
      std::normal_distribution<double> noise(0, noise_ / std::sqrt(rounds));
      timings.push_back({true_time(tiling) * (1 + noise(random_)), noise_});
    }
    return timings;
  }

  double true_time(const Tiling& t) const {
    return 100 + std::abs(t.block_n - best_block_n_) + 3.0 * std::abs(t.num_stages - 2) +
           5.0 * (t.num_warps != 8) + (t.rescale == Rescale::kEager ? 2 : 0) +
           std::abs(t.block_m - 128) / 16.0;
  }

  int best_block_n_ = 80, bad_block_n_ = 0, wrong_stages_ = 0, calls_left_ = 1 << 20;
  double noise_ = 0;

 private:
  static std::array<int, 6> key(const Tiling& t) {
    return {t.block_m,
            t.block_n,
            t.num_warps,
            t.num_stages,
            static_cast<int>(t.rescale),
            static_cast<int>(t.family)};
  }
  std::mutex mutex_;
  std::set<std::array<int, 6>> compiled_, verified_;
  std::mt19937 random_{7};
};

TunerOptions quick() {
  TunerOptions options;
  options.seconds = 60;
  options.threads = 2;
  return options;
}

double best_in_space(const FakeTarget& target, const std::vector<Candidate>& space) {
  double best = 1e30;
  for (const Candidate& c : space) best = std::min(best, target.true_time(c.tiling));
  return best;
}

TEST_CASE("the tuner finds the fastest tiling, also where the model ranks it low") {
  const auto space = sm80_space();
  REQUIRE(space.size() > 60);
  for (const int best_block_n : {32, 64, 96}) {
    FakeTarget target;
    target.best_block_n_ = best_block_n;
    const TuningResult result = tune(target, space, space.back().tiling, quick());
    CHECK(result.complete);
    CHECK(target.true_time(result.winner) == best_in_space(target, space));
    CHECK(result.winner_us <= result.default_us);
  }
}

TEST_CASE("with noise the winner is within a percent of the best") {
  const auto space = sm80_space();
  FakeTarget target;
  target.noise_ = 0.01;
  const TuningResult result = tune(target, space, space.back().tiling, quick());
  CHECK(target.true_time(result.winner) <= 1.01 * best_in_space(target, space));
}

TEST_CASE("candidates that fail are rows with their error and never win") {
  const auto space = sm80_space();
  FakeTarget target;
  target.bad_block_n_ = 80;
  target.wrong_stages_ = 2;
  Tiling fallback;
  for (const Candidate& c : space) {
    if (c.tiling.num_stages == 3 && c.tiling.block_n == 32) fallback = c.tiling;
  }
  const TuningResult result = tune(target, space, fallback, quick());
  CHECK(result.winner.block_n != 80);
  CHECK(result.winner.num_stages != 2);
  std::set<std::string> errors;
  for (const CandidateResult& row : result.candidates) {
    if (!row.error.empty()) {
      CHECK(row.time_us == 0);
      errors.insert(row.error);
    }
  }
  CHECK(errors == std::set<std::string>{"error: out of registers", "max error 0.3, bound 0.01"});
}

TEST_CASE("the default wins ties, and is never beaten without paired finals") {
  const auto space = sm80_space();
  FakeTarget target;
  Tiling best = space.front().tiling;
  for (const Candidate& c : space) {
    if (target.true_time(c.tiling) < target.true_time(best)) best = c.tiling;
  }
  CHECK(tune(target, space, best, quick()).winner == best);

  TunerOptions options = quick();
  options.tie = 0.5;  // nothing is twice as fast
  CHECK(tune(target, space, space.back().tiling, options).winner == space.back().tiling);

  options = quick();
  options.seconds = 0;
  const TuningResult hurried = tune(target, space, space.back().tiling, options);
  CHECK_FALSE(hurried.complete);
  CHECK(hurried.winner == space.back().tiling);
}

TEST_CASE("a lost device keeps what was measured; a broken default is an error") {
  const auto space = sm80_space();
  FakeTarget target;
  target.calls_left_ = 20;
  const TuningResult result = tune(target, space, space.back().tiling, quick());
  CHECK_FALSE(result.complete);
  CHECK_THAT(result.error, ContainsSubstring("DEVICE_LOST"));
  CHECK(result.candidates.size() == 20);
  CHECK(result.winner == space.back().tiling);

  FakeTarget broken;
  broken.bad_block_n_ = space.back().tiling.block_n;
  CHECK_THROWS_AS(tune(broken, space, space.back().tiling, quick()), Error);
}

TEST_CASE("cancelling stops the search and keeps what is known") {
  const auto space = sm80_space();
  FakeTarget target;
  std::atomic<bool> cancel = false;
  TunerOptions options = quick();
  options.cancel = &cancel;
  options.progress = [&](int done, int, const Tiling&, double) { cancel = done >= 10; };
  const TuningResult result = tune(target, space, space.back().tiling, options);
  CHECK_FALSE(result.complete);
  CHECK(result.candidates.size() == 10);
}

TEST_CASE(
    "every tiling of the search space is legal, none appears twice, and the best estimate is "
    "first") {
  for (const Family family : {Family::kSimt, Family::kSm80, Family::kSm90}) {
    for (const int head_dim : {64, 72, 128, 256}) {
      Problem problem = kProblem;
      problem.head_dim_qk = problem.head_dim_v = head_dim;
      const auto space = search_space(family, problem, shape_4096(), h100());
      for (std::size_t i = 0; i < space.size(); ++i) {
        REQUIRE(is_legal({problem, space[i].tiling, h100().arch}));
        if (i > 0) REQUIRE(space[i - 1].estimate.time_us <= space[i].estimate.time_us);
      }
      const auto first = shortlist(space, 50, 2);
      for (std::size_t i = 0; i < first.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) REQUIRE_FALSE(first[i].tiling == first[j].tiling);
      }
    }
  }
}

}  // namespace
}  // namespace flashjit
