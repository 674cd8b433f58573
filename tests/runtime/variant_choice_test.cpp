// What tuning records do to calls, and when a first use is measured: through the API, on a device
// that counts.
#include "variant_choice.h"

#include <fstream>
#include <thread>

#include "flashjit/flashjit.h"
#include "kernel_src/variant_plan.h"
#include "online_tuner.h"
#include "support/allocation_count.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/environment.h"
#include "support/fake_executor.h"
#include "support/temp_dir.h"
#include "tuning_record_files.h"

namespace flashjit::test {
namespace {

alignas(256) std::byte g_memory[4][64];

AttentionArgs some_args(std::int64_t seqlen = 1000) {
  AttentionArgs args;
  args.q = bshd(g_memory[0], Dtype::kBf16, 2, seqlen, 4, 64);
  args.k = bshd(g_memory[1], Dtype::kBf16, 2, seqlen, 4, 64);
  args.v = bshd(g_memory[2], Dtype::kBf16, 2, seqlen, 4, 64);
  args.o = bshd(g_memory[3], Dtype::kBf16, 2, seqlen, 4, 64);
  return args;
}

// Legal on the fake device, and not what the heuristic chooses.
constexpr Tiling kTuned = {
    .family = Family::kSm80, .block_m = 64, .block_n = 32, .num_stages = 3, .num_warps = 4};

TuningRecord record_for(const DeviceInfo& device,
                        const Tiling& winner,
                        std::int64_t seqlen = 1000) {
  const ValidatedProblem call = validate(some_args(seqlen), false);
  TuningRecord record;
  record.device = device_model(device);
  record.arch = device.arch;
  record.sources_digest =
      family_digests(KernelSources::embedded())[static_cast<std::size_t>(winner.family)];
  record.problem = call.problem;
  record.shape = call.shape;
  record.bucket = shape_bucket(call.shape);
  record.winner = winner;
  record.winner_us = 10;
  record.default_us = 11;
  record.date = "2026-01-02T03:04:05Z";
  return record;
}

// Counts what it is asked and answers kTuned.
class ScopedTuner {
 public:
  ScopedTuner() : before_(online_tuner()) {
    register_online_tuner([this](const OnlineTuningJob& job) {
      ++jobs;
      seconds = job.seconds;
      on_job();
      return record_for(job.executor.device(), kTuned, job.shape.seqlen_q);
    });
  }
  ~ScopedTuner() { register_online_tuner(before_); }

  std::atomic<int> jobs = 0;
  double seconds = 0;
  std::function<void()> on_job = [] {};

 private:
  OnlineTuner before_;
};

struct Fixture {
  TempDir cache;
  ScopedEnvironment environment;
  CapturedLog log;
  std::shared_ptr<FakeDevice> device = install_fake_device();

  Fixture() {
    environment.set("FLASHJIT_TUNE", std::nullopt).set("FLASHJIT_BUNDLES", std::nullopt);
    log.logger->set_level(spdlog::level::debug);
  }
  Options options(std::optional<TuneMode> mode = std::nullopt) const {
    Options options;
    options.backend = Backend::kEmulated;
    options.cache_dir = cache.path();
    options.logger = log.logger;
    options.tune = mode;
    return options;
  }
  void write(const TuningRecord& record) const {
    write_record(cache.path() / kTuningDirectory, record);
  }
};

TEST_CASE("a record chooses the tiling and says how it matched") {
  Fixture f;
  const TuningRecord exact = record_for(f.device->info, kTuned);
  const auto selected_by = [&](TuningRecord record, std::optional<TuneMode> mode = std::nullopt) {
    std::filesystem::remove_all(f.cache.path() / kTuningDirectory);
    f.write(record);
    Runtime runtime(f.options(mode));
    const VariantInfo info = runtime.prepare(some_args());
    CHECK((info.config.tiling == kTuned) == (info.selected_by != "heuristic"));
    CHECK(runtime.loaded_variants().at(0).selected_by == info.selected_by);
    return info.selected_by;
  };
  CHECK(selected_by(exact) == "record exact");
  CHECK(selected_by(exact, TuneMode::kOff) == "heuristic");
  CHECK(selected_by(record_for(f.device->info, kTuned, 2000)) == "record near bucket");
  CHECK(selected_by(record_for(f.device->info, kTuned, 100'000)) == "heuristic");
  const std::string before = f.log.text.str();
  CHECK(before.find("a hint") == std::string::npos);
  DeviceInfo other = f.device->info;
  other.sm_count = 9;
  other.name = "its sister";
  CHECK(selected_by(record_for(other, kTuned)) == "record other device");
  CHECK_THAT(f.log.text.str(), ContainsSubstring("a hint: measured on its sister, 2026-01-02"));
  TuningRecord stale = exact;
  stale.sources_digest = "yesterday's";
  CHECK(selected_by(stale) == "record other sources");
  f.environment.set("FLASHJIT_TUNE", "off");
  CHECK(selected_by(exact) == "heuristic");
}

TEST_CASE("an illegal tiling in a record is refused with its reason") {
  Fixture f;
  Tiling illegal = kTuned;
  illegal.block_m = 65;
  f.write(record_for(f.device->info, illegal));
  Runtime runtime(f.options());
  CHECK(runtime.prepare(some_args()).selected_by == "heuristic");
  CHECK_THAT(f.log.text.str(), ContainsSubstring("not record exact: "));
}

TEST_CASE("forced choices look at no record") {
  Fixture f;
  f.write(record_for(f.device->info, kTuned));
  Options options = f.options();
  options.family = Family::kSimt;
  CHECK(Runtime(options).prepare(some_args()).selected_by == "forced family");
}

TEST_CASE("a warm call makes no look-up") {
  Fixture f;
  f.write(record_for(f.device->info, kTuned));
  Runtime runtime(f.options());
  const AttentionArgs args = some_args();
  runtime.forward(args);
  CHECK_THAT(f.log.text.str(), ContainsSubstring("(record exact)"));
  // A look-up would be logged, and now it would miss.
  std::filesystem::remove_all(f.cache.path() / kTuningDirectory);
  const std::string before = f.log.text.str();
  CHECK(count_allocations([&] { runtime.forward(args); }) == 0);
  CHECK(f.log.text.str() == before);
  runtime.forward(some_args(999));  // another shape is another selection
  CHECK(f.log.text.str() != before);
}

TEST_CASE("a record whose variant cannot be had makes no call fail") {
  Fixture f;
  f.write(record_for(f.device->info, kTuned));
  SECTION("it does not compile") {
    f.device->on_compile = [&] {
      if (f.device->compiles == 1) throw Error(ErrorCode::kCompileFailed, "no");
    };
    Runtime runtime(f.options());
    REQUIRE_NOTHROW(runtime.forward(some_args()));
    CHECK(f.device->launches == 1);
    CHECK(runtime.loaded_variants().at(0).selected_by == "heuristic");
    CHECK_THAT(f.log.text.str(), ContainsSubstring("cannot be had"));
  }
  SECTION("offline, and only the heuristic's was shipped") {
    Runtime(f.options(TuneMode::kOff)).prepare(some_args());
    Options options = f.options();
    options.offline = true;
    Runtime runtime(options);
    REQUIRE_NOTHROW(runtime.forward(some_args()));
    CHECK(f.device->compiles == 1);
  }
  SECTION("the stream captures, and only the heuristic's is loaded") {
    Runtime runtime(f.options());
    const VariantInfo info = runtime.prepare(some_args(4000));  // far from the record's bucket
    REQUIRE(info.selected_by == "heuristic");
    KernelConfig launched;
    f.device->on_launch = [&](const KernelConfig& config, Stream) { launched = config; };
    f.device->capturing = true;
    REQUIRE_NOTHROW(runtime.forward(some_args()));
    CHECK(launched == info.config);
    f.device->capturing = false;
    runtime.forward(some_args());  // a capture is no reason to stay with it
    CHECK(launched.tiling == kTuned);
  }
}

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
