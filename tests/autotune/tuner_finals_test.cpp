// Who reaches the paired finals of a search: what has to be proven for it, and for how long.
#include <algorithm>
#include <atomic>
#include <functional>

#include "autotune/fake_target.h"
#include "autotune/tuner.h"
#include "support/catch.h"

namespace flashjit {
namespace {

TEST_CASE("finals are held although the time is up, if only something was measured") {
  const auto space = sm80_space();
  FakeTarget target;
  Tiling slowest = space.front().tiling;
  for (const Candidate& c : space) {
    if (target.true_time(c.tiling) > target.true_time(slowest)) slowest = c.tiling;
  }
  // Whichever candidate comes first, it is faster; with it the time is up.
  target.slower_ = {slowest};
  double now = 0;
  int verified = 0;
  target.on_verify_ = [&](const Tiling&) {
    if (++verified == 2) now = 100;
  };
  TunerOptions options;
  options.clock = [&] { return now; };
  const TuningResult result = tune(target, space, slowest, options);
  CHECK(result.complete);
  CHECK(result.candidates.size() > 1);
  CHECK(result.candidates.size() < space.size() / 2);
  CHECK(result.winner_us < result.default_us);
  CHECK(result.rounds == options.final_rounds);
}

TEST_CASE("finalists that fail now leave their places to the next") {
  const auto space = sm80_space();
  FakeTarget target;
  target.wrong_stages_ = 3;
  TunerOptions options;
  options.seconds = 0;
  const Tiling fallback = std::find_if(space.rbegin(), space.rend(), [](const Candidate& c) {
                            return c.tiling.num_stages != 3;
                          })->tiling;
  for (const Candidate& c : space) {
    if (c.tiling == fallback) continue;
    const double time = c.tiling.num_stages == 3 ? 1 : target.true_time(c.tiling);
    options.known.push_back({c.tiling, time, 0, ""});
  }
  const TuningResult result = tune(target, space, fallback, options);
  CHECK(result.complete);
  CHECK(result.rounds == options.final_rounds);
  CHECK(result.winner.num_stages != 3);
  CHECK(result.winner != fallback);
}

// A search of which the time is up before it begins: it has what is known, and the finals.
struct KnownSearch {
  std::vector<Candidate> space = sm80_space();
  FakeTarget target;
  TunerOptions options;
  Tiling fallback;
  std::vector<Tiling> ranked;  // what is known, fastest first; all of it beats the default

  KnownSearch() {
    options.seconds = 0;
    fallback = space.back().tiling;
    target.slower_ = {fallback};
    for (std::size_t i = 0; i + 1 < space.size() && i < 30; ++i) {
      ranked.push_back(space[i].tiling);
      options.known.push_back({space[i].tiling, 1.0 + static_cast<double>(i), 0, ""});
    }
  }
  // What is wrong of the ranked ones, by their places.
  void fail(std::function<bool(std::size_t)> is_wrong) {
    target.why_wrong_ = [this, is_wrong](const Tiling& t) -> std::string {
      const auto at = std::find(ranked.begin(), ranked.end(), t);
      const bool wrong =
          at != ranked.end() && is_wrong(static_cast<std::size_t>(at - ranked.begin()));
      return wrong ? "max error 0.3, bound 0.01" : "";
    };
  }
  TuningResult run() { return tune(target, space, fallback, options); }
  // Those that were timed in the finals.
  std::vector<Tiling> finalists() {
    std::vector<Tiling> timed;
    target.on_time_ = [&](std::span<const Tiling> tilings, int rounds) {
      if (rounds == options.final_rounds) timed.assign(tilings.begin() + 1, tilings.end());
    };
    CHECK(run().complete);
    return timed;
  }
};

TEST_CASE("each finalist that fails is replaced, although others are right") {
  KnownSearch search;
  double now = 0;
  search.options.clock = [&] { return now; };
  search.options.seconds = 1;
  // The search itself takes its share of the time, but not that of the finals.
  search.target.on_verify_ = [&](const Tiling&) { now = 0.8; };
  search.fail([](std::size_t place) { return place < 3 || place == 5; });
  const std::vector<Tiling>& r = search.ranked;
  CHECK(search.finalists() == std::vector<Tiling>{r[3], r[4], r[6], r[7]});
}

TEST_CASE("finalists are replaced until the time is up, and after it only while none is right") {
  KnownSearch search;
  const std::vector<Tiling>& r = search.ranked;
  std::vector<Tiling> expected;
  SECTION("one is right") {
    search.fail([](std::size_t place) { return place < 3; });
    expected = {r[3]};
  }
  SECTION("the first that is right is the tenth") {
    search.fail([](std::size_t place) { return place < 9; });
    expected = {r[9], r[10], r[11]};
  }
  CHECK(search.finalists() == expected);
}

TEST_CASE("a search for no finalists proves nothing and ends") {
  KnownSearch search;
  search.options.finalists = GENERATE(0, -1);
  int verified = 0;
  search.target.on_verify_ = [&](const Tiling&) { ++verified; };
  const TuningResult result = search.run();
  CHECK_FALSE(result.complete);
  CHECK(result.winner == search.fallback);
  CHECK(verified == 1);  // the default
}

TEST_CASE("cancelling ends the search for finalists that are right") {
  KnownSearch search;
  std::atomic<bool> cancel = false;
  search.options.cancel = &cancel;
  search.options.finalists = static_cast<int>(search.ranked.size());
  REQUIRE(search.ranked.size() == 30);
  search.fail([](std::size_t) { return true; });
  int verified = 0;
  search.target.on_verify_ = [&](const Tiling&) {
    if (++verified == 3) cancel = true;
  };
  const TuningResult result = search.run();
  CHECK_FALSE(result.complete);
  CHECK(verified <= 25);  // the default, and a batch that may be under way
  CHECK(result.candidates.size() == search.ranked.size() + 1);
}

}  // namespace
}  // namespace flashjit
