// What tuning records do to calls, through the API.
#include "variant_choice.h"

#include "runtime/tuned_calls.h"
#include "support/allocation_count.h"
#include "support/catch.h"

namespace flashjit::test {
namespace {

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

TEST_CASE("a record with an illegal tiling is ignored, with the reason") {
  Fixture f;
  Tiling illegal = kTuned;
  illegal.block_m = 65;
  f.write(record_for(f.device->info, illegal));
  Runtime runtime(f.options());
  CHECK(runtime.prepare(some_args()).selected_by == "heuristic");
  CHECK_THAT(f.log.text.str(), ContainsSubstring("its winner is not legal (sm80: block_m"));
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
    const std::string log = f.log.text.str();
    CHECK_THAT(log, ContainsSubstring("cannot be had"));
    // Once is enough: another shape that the record answers goes to the heuristic's at once.
    runtime.forward(some_args(999));
    CHECK(f.device->compiles == 2);
    CHECK(f.log.text.str().find("cannot be had", log.size()) == std::string::npos);
  }
  SECTION("the driver is too old for it") {
    f.device->on_compile = [&] {
      if (f.device->compiles == 1) throw Error(ErrorCode::kNotSupported, "too new");
    };
    Runtime runtime(f.options());
    REQUIRE_NOTHROW(runtime.forward(some_args()));
    CHECK(runtime.loaded_variants().at(0).selected_by == "heuristic");
  }
  SECTION("but a lack of memory is told") {
    f.device->on_compile = [] { throw Error(ErrorCode::kOutOfMemory, "no room"); };
    Runtime runtime(f.options());
    CHECK_THROWS_AS(runtime.forward(some_args()), Error);
    CHECK(f.device->compiles == 1);
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

}  // namespace
}  // namespace flashjit::test
