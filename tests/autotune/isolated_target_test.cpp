// Candidates in another process, which here is a fork of the test: what crashes there costs one
// row.
#include "autotune/isolated_target.h"

#include <signal.h>
#include <sys/socket.h>

#include "autotune/fake_target.h"
#include "support/catch.h"
#include "support/child_process.h"

namespace flashjit {
namespace {

Tiling with_block_n(int block_n) {
  return {.family = Family::kSm80, .block_m = 128, .block_n = block_n, .num_stages = 2};
}
const Tiling kReference = with_block_n(64);

// Verifying `crashes_` or timing `crashes_when_timed_` ends the worker; `loses_device_` throws.
class FragileTarget : public FakeTarget {
 public:
  std::string verify(const Tiling& tiling) override {
    if (tiling.block_n == crashes_) ::raise(SIGSEGV);
    if (tiling.block_n == loses_device_) throw Error(ErrorCode::kDriver, "ILLEGAL_ADDRESS");
    compile(tiling);
    return FakeTarget::verify(tiling);
  }
  std::vector<Timing> time(std::span<const Tiling> tilings, int rounds) override {
    for (const Tiling& tiling : tilings) {
      if (tiling.block_n == crashes_when_timed_) ::_exit(3);
    }
    return FakeTarget::time(tilings, rounds);
  }
  int crashes_ = 0, crashes_when_timed_ = 0, loses_device_ = 0;
};

IsolatedTarget isolate(const std::function<void(FragileTarget&)>& setup) {
  const auto start = [setup]() -> WorkerProcess {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const pid_t pid = test::start_child([&] {
      ::signal(SIGSEGV, SIG_DFL);  // not the test framework's
      FragileTarget target;
      setup(target);
      ::close(ends[0]);
      return serve_target(target, ends[1]);
    });
    ::close(ends[1]);
    return {pid, UniqueFd(ends[0])};
  };
  return {[](const Tiling&) { return std::string(); }, start, kReference};
}

TEST_CASE("an isolated target answers as the target itself") {
  IsolatedTarget isolated = isolate([](FragileTarget& target) { target.wrong_stages_ = 3; });
  CHECK(isolated.verify(kReference).empty());
  Tiling wrong = kReference;
  wrong.num_stages = 3;
  CHECK_THAT(isolated.verify(wrong), ContainsSubstring("bound 0.01"));
  const Tiling other = with_block_n(96);
  CHECK(isolated.verify(other).empty());
  const FakeTarget model;
  const auto timings = isolated.time(std::vector{kReference, other}, 3);
  REQUIRE(timings.size() == 2);
  CHECK(timings[0].median_us == model.true_time(kReference));
  CHECK(timings[1].ratio == model.true_time(other) / model.true_time(kReference));
  CHECK(isolated.sm_clock_mhz() == 1700);
  CHECK(isolated.workers_started() == 1);
}

TEST_CASE("a candidate that crashes or loses the device costs one row and one worker") {
  IsolatedTarget isolated = isolate([](FragileTarget& target) {
    target.crashes_ = 32;
    target.loses_device_ = 48;
  });
  CHECK_THAT(isolated.verify(with_block_n(32)), ContainsSubstring("signal 11"));
  CHECK_THAT(isolated.verify(with_block_n(48)), ContainsSubstring("ILLEGAL_ADDRESS"));
  CHECK(isolated.verify(with_block_n(80)).empty());
  CHECK(isolated.workers_started() == 3);
}

TEST_CASE("of several that are timed the one that crashes is found") {
  IsolatedTarget isolated = isolate([](FragileTarget& target) { target.crashes_when_timed_ = 80; });
  const std::vector<Tiling> all = {
      kReference, with_block_n(48), with_block_n(80), with_block_n(96)};
  const auto timings = isolated.time(all, 3);
  REQUIRE(timings.size() == 4);
  CHECK(timings[1].error.empty());
  CHECK(timings[1].median_us > 0);
  CHECK_THAT(timings[2].error, ContainsSubstring("exit code 3"));
  CHECK(timings[3].error.empty());
}

TEST_CASE("a worker that cannot run even the default ends the search") {
  IsolatedTarget isolated = isolate([](FragileTarget& target) { target.loses_device_ = 64; });
  CHECK_THROWS_AS(isolated.verify(with_block_n(96)), Error);
}

TEST_CASE("a search over a target that crashes finds the best of the rest") {
  IsolatedTarget isolated = isolate([](FragileTarget& target) { target.crashes_ = 80; });
  const auto space = sm80_space();
  TunerOptions options;
  options.seconds = 60;
  Tiling fallback;
  for (const Candidate& c : space) {
    if (c.tiling.block_n == 32) fallback = c.tiling;
  }
  const TuningResult result = tune(isolated, space, fallback, options);
  CHECK(result.complete);
  CHECK(result.winner.block_n != 80);
  int crashed = 0;
  for (const CandidateResult& row : result.candidates) crashed += !row.error.empty();
  CHECK(crashed > 0);
  CHECK(isolated.workers_started() == crashed + 1);
}

}  // namespace
}  // namespace flashjit
