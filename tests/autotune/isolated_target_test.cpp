// Candidates in another process, which here is a fork of the test: what crashes there costs one
// row.
#include "autotune/isolated_target.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string_view>

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
  int worker_ = 0;  // it is in: 1, 2, …
};

IsolatedTarget isolate(const std::function<void(FragileTarget&)>& setup) {
  const auto start = [setup, worker = 0]() mutable -> WorkerProcess {
    ++worker;
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const pid_t pid = test::start_child([&] {
      ::signal(SIGSEGV, SIG_DFL);  // not the test framework's
      FragileTarget target;
      target.worker_ = worker;
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
  CHECK(timings[0].rounds == 3);
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

// From its worker `first` on nothing runs, the default included.
std::function<void(FragileTarget&)> gone_from(int first,
                                              const std::function<void(FragileTarget&)>& setup) {
  return [=](FragileTarget& target) {
    setup(target);
    if (target.worker_ >= first) target.loses_device_ = kReference.block_n;
  };
}

TEST_CASE("a device that is gone is no candidate's failure") {
  SECTION("it goes while candidates are timed") {
    // The first worker ends with all of them, the second with the guilty one.
    IsolatedTarget isolated =
        isolate(gone_from(3, [](FragileTarget& target) { target.crashes_when_timed_ = 80; }));
    const std::vector<Tiling> last = {kReference, with_block_n(48), with_block_n(80)};
    std::vector<Tiling> all = last;
    all.push_back(with_block_n(96));
    CHECK_THROWS_WITH(isolated.time(GENERATE_COPY(values({all, last})), 3), "ILLEGAL_ADDRESS");
  }
  SECTION("it goes while one is verified") {
    IsolatedTarget isolated =
        isolate(gone_from(2, [](FragileTarget& target) { target.crashes_ = 80; }));
    CHECK_THROWS_WITH(isolated.verify(with_block_n(80)), "ILLEGAL_ADDRESS");
  }
}

TEST_CASE("a search that loses its device blames the one candidate that ran") {
  IsolatedTarget isolated =
      isolate(gone_from(2, [](FragileTarget& target) { target.crashes_ = 80; }));
  TunerOptions options;
  options.seconds = 60;
  const TuningResult result = tune(isolated, sm80_space(), kReference, options);
  CHECK_FALSE(result.complete);
  CHECK(result.error_code == ErrorCode::kDriver);
  std::vector<int> blamed;
  for (const CandidateResult& row : result.candidates) {
    if (!row.error.empty()) blamed.push_back(row.tiling.block_n);
  }
  CHECK(blamed == std::vector<int>{80});
}

// A worker that answers every request for a time with `timings`, and any other with `verified`.
IsolatedTarget answering(const std::string& verified, const std::string& timings) {
  const auto start = [=]() -> WorkerProcess {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const pid_t pid = test::start_child([&] {
      ::close(ends[0]);
      char request[1 << 16];
      for (ssize_t n; (n = ::read(ends[1], request, sizeof request)) > 0;) {
        const bool time = std::string_view(request, static_cast<std::size_t>(n)).find("\"time\"") !=
                          std::string_view::npos;
        const std::string& answer = time ? timings : verified;
        if (::write(ends[1], answer.data(), answer.size()) < 0) return 1;
      }
      return 0;
    });
    ::close(ends[1]);
    return {pid, UniqueFd(ends[0])};
  };
  return {[](const Tiling&) { return std::string(); }, start, kReference};
}

TEST_CASE("a worker that answers nonsense is an error of its candidate") {
  for (const char* answer :
       {"\n", "garbage\n", "[]\n", "{}\n", "{\"error\": 5}\n", "{\"lost\": []}\n"}) {
    INFO(answer);
    try {
      answering(answer, "").verify(with_block_n(96));
      FAIL("it was believed");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kDriver);
      CHECK_THAT(error.what(), ContainsSubstring("nonsense"));
    }
  }
  const std::string good = "{\"error\": \"\"}\n";
  for (const char* answer : {"{\"timings\": [], \"sm_clock_mhz\": 1}\n",
                             "{\"timings\": [[1, 0, 1, 3]], \"sm_clock_mhz\": 1}\n",
                             "{\"timings\": [[1, 0, 1, 3, \"\"]]}\n",
                             "{\"timings\": [[1, 0, \"x\", 3, \"\"]], \"sm_clock_mhz\": 1}\n"}) {
    INFO(answer);
    IsolatedTarget target = answering(good, answer);
    CHECK_THROWS_AS(target.time(std::vector{kReference}, 3), Error);
  }
  IsolatedTarget honest =
      answering(good, "{\"timings\": [[7, 0, 1, 3, \"\"]], \"sm_clock_mhz\": 1}\n");
  const auto timings = honest.time(std::vector{kReference}, 3);
  REQUIRE(timings.size() == 1);
  CHECK(timings[0].median_us == 7);
  CHECK(timings[0].rounds == 3);
}

TEST_CASE("a worker that cannot run even the default ends the search") {
  IsolatedTarget isolated = isolate([](FragileTarget& target) { target.loses_device_ = 64; });
  CHECK_THROWS_AS(isolated.verify(with_block_n(96)), Error);
}

TEST_CASE("a default that is wrong in a new process is never replaced by a candidate") {
  IsolatedTarget isolated = isolate([](FragileTarget& target) { target.wrong_stages_ = 2; });
  for (int i = 0; i < 2; ++i) {
    try {
      isolated.verify(with_block_n(96));
      FAIL("compared with itself");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kNotSupported);  // the device is not lost
      CHECK_THAT(error.what(), ContainsSubstring("the default tiling fails in a new process"));
    }
  }
}

TEST_CASE("a worker ends with its parent, also while a candidate hangs") {
  int ends[2], begun[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  REQUIRE(::pipe(begun) == 0);
  const pid_t pid = test::start_child([&] {
    ::close(ends[0]);
    ::alarm(20);  // where it does not end
    FakeTarget target;
    target.on_verify_ = [&](const Tiling&) {
      if (::write(begun[1], "b", 1) != 1) ::_exit(2);
      for (;;) ::pause();
    };
    end_with_peer(ends[1]);
    return serve_target(target, ends[1]);
  });
  ::close(ends[1]);
  const std::string request = "{\"verify\": " + to_json(kReference) + "}\n";
  REQUIRE(::write(ends[0], request.data(), request.size()) > 0);
  char byte = 0;
  REQUIRE(::read(begun[0], &byte, 1) == 1);
  CHECK(::waitpid(pid, nullptr, WNOHANG) == 0);  // not while its parent is there
  ::close(ends[0]);
  CHECK(test::wait_child(pid) == 1);
  ::close(begun[0]);
  ::close(begun[1]);
}

TEST_CASE("a signal from the terminal does not reach a worker") {
  WorkerProcess worker = start_worker(
      {"/bin/sh", "-c", "read -r pid name state parent group rest </proc/$$/stat; echo $group"});
  CHECK(worker.receive() != std::to_string(::getpgrp()));
}

TEST_CASE("a worker that is killed is told from one that is silent") {
  WorkerProcess worker = start_worker({"/bin/sh", "-c", "kill -9 $$"});
  CHECK_THROWS_AS(worker.receive(), Error);
  CHECK(worker.end() == "signal 9");
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
