// Options::tune = on_first_use: which calls measure, and what becomes of the record.
#include <thread>
#include <vector>

#include "runtime/tuned_calls.h"
#include "support/catch.h"

namespace flashjit::test {
namespace {

TEST_CASE("on first use a problem is tuned once, and its record is kept") {
  Fixture f;
  ScopedTuner tuner;
  Options options = f.options(TuneMode::kOnFirstUse);
  options.tune_seconds = 3;
  {
    Runtime runtime(options);
    KernelConfig launched;
    f.device->on_launch = [&](const KernelConfig& config, Stream) { launched = config; };
    for (int i = 0; i < 3; ++i) runtime.forward(some_args());
    CHECK(launched.tiling == kTuned);
    CHECK(tuner.jobs == 1);
    CHECK(tuner.seconds == 3);
    CHECK(runtime.prepare(some_args(1001)).selected_by == "record exact");  // of the same bucket
    CHECK(tuner.jobs == 1);
    runtime.prepare(some_args(100'000));
    CHECK(tuner.jobs == 2);
  }
  Runtime later(options);
  CHECK(later.prepare(some_args()).selected_by == "record exact");
  CHECK(tuner.jobs == 2);
}

TEST_CASE("a hint does not replace a measurement on first use") {
  Fixture f;
  ScopedTuner tuner;
  TuningRecord stale = record_for(f.device->info, kTuned);
  stale.sources_digest = "yesterday's";
  f.write(stale);
  Runtime runtime(f.options(TuneMode::kOnFirstUse));
  CHECK(runtime.prepare(some_args()).selected_by == "record exact");
  CHECK(tuner.jobs == 1);
}

TEST_CASE("a measurement without finals leaves the hint, in memory and on disk") {
  Fixture f;
  ScopedTuner tuner;
  tuner.complete = false;
  TuningRecord stale = record_for(f.device->info, kTuned);
  stale.sources_digest = "yesterday's";
  f.write(stale);
  {
    Runtime runtime(f.options(TuneMode::kOnFirstUse));
    const VariantInfo info = runtime.prepare(some_args());
    CHECK(info.selected_by == "record other sources");
    CHECK(info.config.tiling == kTuned);
    CHECK(tuner.jobs == 1);
  }
  CHECK_THAT(f.log.text.str(), ContainsSubstring("not tuned: out of time"));
  CHECK_THAT(f.log.text.str(), !ContainsSubstring("tuned on first use"));
  CHECK(Runtime(f.options()).prepare(some_args()).selected_by == "record other sources");
}

TEST_CASE("first uses that are not measured") {
  Fixture f;
  ScopedTuner tuner;
  SECTION("by default") { Runtime(f.options()).forward(some_args()); }
  SECTION("offline") {
    Runtime(f.options()).forward(some_args());
    Options options = f.options(TuneMode::kOnFirstUse);
    options.offline = true;
    Runtime(options).forward(some_args());
  }
  SECTION("with a forced family") {
    Options options = f.options(TuneMode::kOnFirstUse);
    options.family = Family::kSimt;
    Runtime(options).forward(some_args());
  }
  SECTION("while the stream captures") {
    f.device->capturing = true;
    Runtime runtime(f.options(TuneMode::kOnFirstUse));
    CHECK_THROWS_AS(runtime.forward(some_args()), Error);
  }
  CHECK(tuner.jobs == 0);
}

TEST_CASE("a stream that captured does not spoil the measurement of a later call") {
  Fixture f;
  ScopedTuner tuner;
  Runtime(f.options(TuneMode::kOff)).prepare(some_args());
  Runtime runtime(f.options(TuneMode::kOnFirstUse));
  // Another length of another bucket, whose heuristic loads the same variant.
  tuner.on_job = [] { throw Error(ErrorCode::kOutOfMemory, "no"); };
  runtime.prepare(some_args(4000));
  CHECK(tuner.jobs == 1);
  tuner.on_job = [] {};
  f.device->capturing = true;
  runtime.forward(some_args());
  CHECK(tuner.jobs == 1);
  f.device->capturing = false;
  runtime.forward(some_args());
  CHECK(tuner.jobs == 2);
}

TEST_CASE("tuning that fails leaves the heuristic, once") {
  Fixture f;
  ScopedTuner tuner;
  tuner.on_job = [] { throw Error(ErrorCode::kOutOfMemory, "no memory for inputs"); };
  Runtime runtime(f.options(TuneMode::kOnFirstUse));
  for (int i = 0; i < 3; ++i) runtime.forward(some_args(1000 + i));
  CHECK(tuner.jobs == 1);
  CHECK(f.device->launches == 3);
  CHECK(runtime.loaded_variants().at(0).selected_by == "heuristic");
  CHECK_THAT(f.log.text.str(), ContainsSubstring("no memory for inputs"));
}

TEST_CASE("threads that use a problem first at once tune it once") {
  Fixture f;
  ScopedTuner tuner;
  tuner.on_job = [] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); };
  Runtime runtime(f.options(TuneMode::kOnFirstUse));
  std::atomic<int> tuned = 0;
  f.device->on_launch = [&](const KernelConfig& config, Stream) {
    tuned += config.tiling == kTuned;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { runtime.forward(some_args()); });
  for (std::thread& thread : threads) thread.join();
  CHECK(tuner.jobs == 1);
  CHECK(tuned == 4);
}

TEST_CASE("a first use without a tuner says so") {
  Fixture f;
  ScopedTuner tuner;
  register_online_tuner({});
  Runtime(f.options(TuneMode::kOnFirstUse)).forward(some_args());
  CHECK_THAT(f.log.text.str(), ContainsSubstring("no tuner"));
}

}  // namespace
}  // namespace flashjit::test
