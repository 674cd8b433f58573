// The search against a device that is made up: what it finds, how it treats failures, ties,
// time-outs and losses.
#include "autotune/tuner.h"

#include <algorithm>
#include <map>
#include <set>

#include "autotune/fake_target.h"
#include "flashjit/error.h"
#include "kernel_src/variant_plan.h"
#include "support/catch.h"

namespace flashjit {
namespace {

TunerOptions quick() {
  TunerOptions options;
  options.seconds = 60;
  return options;
}

Tiling fastest_in_space(const FakeTarget& target, const std::vector<Candidate>& space) {
  const auto faster = [&](const Candidate& a, const Candidate& b) {
    return target.true_time(a.tiling) < target.true_time(b.tiling);
  };
  return std::min_element(space.begin(), space.end(), faster)->tiling;
}

double best_in_space(const FakeTarget& target, const std::vector<Candidate>& space) {
  return target.true_time(fastest_in_space(target, space));
}

std::vector<Candidate> six_hundred() {
  std::vector<Candidate> space = search_space(Family::kSm90, kProblem, shape_of(4096), h100());
  space.resize(600);
  return space;
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
  const Tiling best = fastest_in_space(target, space);
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

TEST_CASE("a device whose clock drifts between comparisons does not change the winner") {
  const auto space = sm80_space();
  FakeTarget target;
  target.drift_ = 0.2;
  TunerOptions options = quick();
  const double default_time = target.true_time(space.back().tiling);
  options.progress = [&](const TuningProgress& p) {
    const double expected = target.true_time(p.leader) / default_time;
    CHECK(std::abs(p.leader_us / p.default_us - expected) < 1e-9);
  };
  const TuningResult result = tune(target, space, space.back().tiling, options);
  CHECK(target.true_time(result.winner) == best_in_space(target, space));
}

TEST_CASE("a lost device keeps what was measured; a broken default is an error") {
  const auto space = sm80_space();
  FakeTarget target;
  target.calls_left_ = 60;
  const TuningResult result = tune(target, space, space.back().tiling, quick());
  CHECK_FALSE(result.complete);
  CHECK_THAT(result.error, ContainsSubstring("DEVICE_LOST"));
  CHECK(result.error_code == ErrorCode::kDriver);
  CHECK(result.candidates.size() > 1);
  CHECK(result.candidates.size() <= 60);
  CHECK(result.winner == space.back().tiling);

  FakeTarget broken;
  broken.bad_block_n_ = space.back().tiling.block_n;
  CHECK_THROWS_AS(tune(broken, space, space.back().tiling, quick()), Error);
}

TEST_CASE("the candidate that lost the device is a row with its error") {
  const auto space = sm80_space();
  FakeTarget target;
  int verified = 0;
  target.on_verify_ = [&](const Tiling&) {
    if (++verified == 10) throw Error(ErrorCode::kDriver, "CUDA_ERROR_ILLEGAL_ADDRESS");
  };
  const TuningResult result = tune(target, space, space.back().tiling, quick());
  CHECK_THAT(result.error, ContainsSubstring("ILLEGAL_ADDRESS"));
  const auto failed = std::count_if(
      result.candidates.begin(), result.candidates.end(), [](const CandidateResult& row) {
        return row.error == "CUDA_ERROR_ILLEGAL_ADDRESS";
      });
  CHECK(failed == 1);
}

TEST_CASE("cancelling stops the search and keeps what is known") {
  const auto space = sm80_space();
  FakeTarget target;
  std::atomic<bool> cancel = false;
  TunerOptions options = quick();
  options.cancel = &cancel;
  options.progress = [&](const TuningProgress& p) { cancel = p.done > 1; };
  const TuningResult result = tune(target, space, space.back().tiling, options);
  CHECK_FALSE(result.complete);
  CHECK(result.candidates.size() > 1);
  CHECK(result.candidates.size() < 60);
}

TEST_CASE("a search goes on from the rows of an interrupted one") {
  const auto space = sm80_space();
  FakeTarget first;
  first.bad_block_n_ = space.back().tiling.block_n == 80 ? 96 : 80;
  first.calls_left_ = 80;
  const TuningResult interrupted = tune(first, space, space.back().tiling, quick());
  REQUIRE_FALSE(interrupted.complete);

  FakeTarget second;  // what failed would work now, but its failures are known
  TunerOptions options = quick();
  options.known = interrupted.candidates;
  const TuningResult result = tune(second, space, space.back().tiling, options);
  CHECK(result.complete);
  int failed = 0;
  for (const CandidateResult& row : interrupted.candidates) {
    if (row.error.empty()) continue;
    ++failed;
    CHECK_FALSE(result.winner == row.tiling);
  }
  CHECK(failed > 0);
  FakeTarget fresh;
  tune(fresh, space, space.back().tiling, quick());
  CHECK(second.compiles_ < fresh.compiles_);
}

TEST_CASE("a search that goes on keeps its time although all that is known must be proven again") {
  const std::vector<Candidate> space = six_hundred();
  FakeTarget target;
  TunerOptions options = quick();
  for (const Candidate& c : space)
    options.known.push_back({c.tiling, target.true_time(c.tiling), 0, ""});
  double now = 0;
  int verified = 0;
  target.on_verify_ = [&](const Tiling&) {
    ++verified;
    ++now;
  };
  options.clock = [&] { return now; };
  options.seconds = 20;
  const TuningResult result = tune(target, space, space.back().tiling, options);
  CHECK(result.complete);
  CHECK(result.candidates.size() == space.size());
  CHECK(verified < 50);  // a batch may be under way when the time is up, and the finals come after
}

TEST_CASE(
    "halving times ever fewer tilings for ever more rounds, and only its last ones reach the "
    "finals") {
  const std::vector<Candidate> space = six_hundred();
  FakeTarget target;
  target.noise_ = 0.1;
  std::size_t most_at_once = 0;
  std::map<int, std::vector<Tiling>> timed;  // by their rounds
  target.on_time_ = [&](std::span<const Tiling> tilings, int rounds) {
    most_at_once = std::max(most_at_once, tilings.size());
    timed[rounds].insert(timed[rounds].end(), tilings.begin() + 1, tilings.end());
  };
  TunerOptions options = quick();
  options.exhaustive = true;
  CHECK(tune(target, space, space.back().tiling, options).complete);
  CHECK(most_at_once <= 25);
  CHECK(timed[3].size() >= 599);
  CHECK(timed[4].size() <= 64);
  CHECK(timed[8].size() < timed[4].size());
  CHECK(timed[16].size() < timed[8].size());
  CHECK_FALSE(timed[16].empty());
  REQUIRE(timed[options.final_rounds].size() == 4);
  for (const Tiling& t : timed[options.final_rounds])
    CHECK(std::find(timed[16].begin(), timed[16].end(), t) != timed[16].end());
}

TEST_CASE("halving looks at the time between its batches, and the best that is known wins") {
  const std::vector<Candidate> space = six_hundred();
  FakeTarget target;
  double now = 0;
  std::map<int, int> calls;  // by their rounds
  target.on_time_ = [&](std::span<const Tiling>, int rounds) {
    ++calls[rounds];
    if (rounds == 4) now = 100;
  };
  TunerOptions options = quick();
  options.exhaustive = true;
  options.clock = [&] { return now; };
  const TuningResult result = tune(target, space, space.back().tiling, options);
  CHECK(calls[4] == 1);
  CHECK(calls[8] == 0);
  CHECK(result.complete);
  CHECK(target.true_time(result.winner) == best_in_space(target, space));
}

TEST_CASE("rows of a slower clock are compared by their share of the default's time") {
  const auto space = sm80_space();
  FakeTarget target;
  target.best_block_n_ = 64;
  const Tiling fallback = space.back().tiling;
  const Tiling best = fastest_in_space(target, space);
  TunerOptions options = quick();
  options.exhaustive = true;
  options.finalists = 1;
  const bool all_known = GENERATE(false, true);
  for (const Candidate& c : space) {
    if (all_known || c.tiling == best || c.tiling == fallback)
      options.known.push_back({c.tiling, 1.25 * target.true_time(c.tiling), 0.125, ""});
  }
  const TuningResult result = tune(target, space, fallback, options);
  CHECK(result.winner == best);
  CHECK(result.candidates.size() == space.size());
  double worst = 0;
  for (const CandidateResult& row : result.candidates)
    worst = std::max(worst, std::abs(row.time_us - target.true_time(row.tiling)));
  CHECK(worst < 1e-9);
}

TEST_CASE("seeds are measured although the shortlist does not reach them") {
  const auto space = sm80_space();
  FakeTarget target;
  const Tiling best = fastest_in_space(target, space);
  TunerOptions options = quick();
  options.shortlist = 1;
  options.seeds = {best};
  const TuningResult result = tune(target, space, space.back().tiling, options);
  CHECK(result.winner == best);
}

TEST_CASE("an exhaustive search measures the whole space") {
  const auto space = sm80_space();
  FakeTarget target;
  TunerOptions options = quick();
  options.exhaustive = true;
  options.shortlist = 3;
  const TuningResult result = tune(target, space, space.back().tiling, options);
  CHECK(result.candidates.size() == space.size());
  CHECK(result.legal == static_cast<int>(space.size()));
  CHECK(target.true_time(result.winner) == best_in_space(target, space));
}

TEST_CASE(
    "the walk begins at the fastest of the space, also when the default is of another family") {
  const auto space = sm80_space();
  FakeTarget target;
  const Tiling other = search_space(Family::kSimt, kProblem, shape_of(4096), h100()).front().tiling;
  TunerOptions options = quick();
  options.shortlist = 3;
  target.faster_ = {other};
  const TuningResult result = tune(target, space, other, options);
  CHECK(result.winner == other);
  CHECK(result.candidates.size() > 4);
}

}  // namespace
}  // namespace flashjit
