// Runs over many problems on devices that are made up: what is skipped, shared, written, and what
// an error ends.
#include "autotune/tuning_run.h"

#include <fstream>
#include <functional>
#include <latch>
#include <map>
#include <mutex>
#include <new>

#include "autotune/tuning_site.h"
#include "support/catch.h"

namespace flashjit {
namespace {

TEST_CASE("a run writes a record for each problem and skips them the next time") {
  Site site;
  const auto list = problems({512, 1024, 4096});
  const auto first = site.run(list);
  REQUIRE(first.size() == 3);
  for (const TuningOutcome& outcome : first) {
    CHECK(outcome.state == TuningState::kTuned);
    CHECK(outcome.record.winner_us <= outcome.record.default_us);
    CHECK(outcome.record.sm_clock_mhz == 1700);
    CHECK(outcome.record.policy == "made up");
    CHECK(outcome.record.sources_digest == "c");
    CHECK(outcome.record.driver_version == 13000);
  }
  CHECK(site.device.ahead_ > 0);
  REQUIRE(site.records().size() == 3);
  site.device.opened_.clear();
  for (const TuningOutcome& outcome : site.run(list)) {
    CHECK(outcome.state == TuningState::kPresent);
    CHECK(outcome.record.winner == first.front().record.winner);
  }
  CHECK(site.device.opened_.empty());

  site.options.again = true;
  for (const TuningOutcome& outcome : site.run(list)) CHECK(outcome.state == TuningState::kTuned);
  site.options.again = false;
  site.device.digest_ = "other sources";
  site.device.opened_.clear();
  site.run(list);
  CHECK(site.device.opened_ == std::vector<int>{512, 1024, 4096});
}

TEST_CASE("shapes of one bucket are tuned once") {
  Site site;
  const auto outcomes = site.run(problems({4096, 4000}));
  CHECK(outcomes[0].state == TuningState::kTuned);
  CHECK(outcomes[1].state == TuningState::kPresent);
}

TEST_CASE("an interrupt keeps the records that are complete") {
  Site site;
  std::atomic<bool> cancel = false;
  site.options.tuner.cancel = &cancel;
  site.options.on_outcome = [&](const TuningOutcome&) { cancel = true; };
  const auto outcomes = site.run(problems({512, 1024, 4096}));
  CHECK(outcomes[0].state == TuningState::kTuned);
  CHECK(outcomes[1].state == TuningState::kNotBegun);
  CHECK(outcomes[2].problem.shape.seqlen_q == 4096);
  CHECK(to_string(outcomes[2].state) == std::string("not begun"));
  CHECK_FALSE(has_record(outcomes[2]));
  CHECK(site.records().size() == 1);
}

TEST_CASE("devices of one model share the problems, another model tunes them all") {
  Site site;
  FakeTuningDevice& twin = site.add(a100());
  FakeTuningDevice& other = site.add(a100("another model"));
  const auto list = problems({256, 512, 1024, 2048, 4096, 8192});
  const auto outcomes = site.run(list);
  REQUIRE(outcomes.size() == 12);
  std::map<std::string, int> per_model;
  for (const TuningOutcome& outcome : outcomes) {
    CHECK(outcome.state == TuningState::kTuned);
    ++per_model[outcome.record.device.name];
  }
  CHECK(per_model == std::map<std::string, int>{{"made up A100", 6}, {"another model", 6}});
  CHECK(site.device.opened_.size() + twin.opened_.size() == 6);
  CHECK(other.opened_.size() == 6);
  CHECK(site.records().size() == 12);
}

TEST_CASE("a device that is lost leaves the rest to its twin") {
  Site site;
  FakeTuningDevice& twin = site.add(a100());
  std::latch begun(1);  // the twin waits until the other one has a problem, however quick it is
  std::once_flag first;
  std::function<void(FakeTarget&)> lose;
  TuningState state = TuningState::kFailed;
  SECTION("in the search") {
    lose = [](FakeTarget& target) { target.calls_left_ = 3; };
    state = TuningState::kIncomplete;
  }
  SECTION("with its default tiling") {
    lose = [](FakeTarget& target) { target.calls_left_ = 0; };
  }
  SECTION("before there is a target") {
    lose = [](FakeTarget&) { throw Error(ErrorCode::kDriver, "CUDA_ERROR_DEVICE_LOST"); };
  }
  site.device.setup_ = [&](FakeTarget& target, const TuningProblem&) {
    std::call_once(first, [&] { begun.count_down(); });
    lose(target);
  };
  twin.setup_ = [&](FakeTarget&, const TuningProblem&) { begun.wait(); };
  int tuned = 0, lost = 0;
  for (const TuningOutcome& outcome : site.run(problems({256, 512, 1024, 2048, 4096, 8192}))) {
    tuned += outcome.state == TuningState::kTuned;
    lost += outcome.device_lost && outcome.state == state;
  }
  CHECK(tuned == 5);
  CHECK(lost == 1);
  CHECK(site.device.opened_.size() == 1);
  CHECK(twin.opened_.size() == 5);
}

TEST_CASE("a directory that cannot be written is found before anything is measured") {
  Site site;
  std::ofstream(site.directory / "tuning") << "a file";
  CHECK_THROWS_WITH(site.run(problems({512})),
                    ContainsSubstring((site.directory / "tuning").string()));
  CHECK(site.device.opened_.empty());
  site.options.directory = site.directory / "tuning" / "below";
  CHECK_THROWS_AS(site.run(problems({512})), Error);
}

TEST_CASE("a record that cannot be written is no success, and the others are tuned") {
  Site site;
  site.device.setup_ = [&](FakeTarget&, const TuningProblem& problem) {
    const std::filesystem::path place = site.options.directory;
    if (problem.shape.seqlen_q == 512) {
      std::ofstream(place) << "a file";
    } else {
      std::filesystem::remove(place);
    }
  };
  const auto outcomes = site.run(problems({512, 1024}));
  CHECK(outcomes[0].state == TuningState::kFailed);
  CHECK_THAT(outcomes[0].error, ContainsSubstring("tuning"));
  CHECK(outcomes[1].state == TuningState::kTuned);
  CHECK(site.records().size() == 1);
}

TEST_CASE("a device that is lost is lost, also when what it measured cannot be written") {
  Site site;
  site.device.setup_ = [&](FakeTarget& target, const TuningProblem&) {
    target.calls_left_ = 40;
    std::ofstream(site.options.directory) << "a file";
  };
  const auto outcomes = site.run(problems({512, 1024}));
  CHECK(outcomes[0].state == TuningState::kFailed);
  CHECK(outcomes[0].device_lost);
  CHECK_THAT(outcomes[0].error,
             ContainsSubstring("CUDA_ERROR_DEVICE_LOST; ") && ContainsSubstring("tuning"));
  CHECK(outcomes[0].record.candidates.size() > 1);
  CHECK(outcomes[1].state == TuningState::kNotBegun);
  CHECK(site.device.opened_ == std::vector<int>{512});
}

TEST_CASE("another family is tried against the heuristic's default") {
  Site site;
  site.options.family = Family::kSimt;
  site.device.setup_ = [](FakeTarget& target, const TuningProblem& problem) {
    target.slower_ = {tuning_space(problem, a100()).default_tiling};
  };
  const TuningOutcome outcome = site.run(problems({512})).at(0);
  REQUIRE(outcome.state == TuningState::kTuned);
  CHECK(outcome.record.winner.family == Family::kSimt);
  CHECK(outcome.record.sources_digest == "b");
  CHECK(outcome.record.default_tiling->family == Family::kSm80);
  site.options.family = Family::kSm90;
  const TuningOutcome none = site.run(problems({1024})).at(0);
  CHECK(none.state == TuningState::kFailed);
  CHECK_THAT(none.error, ContainsSubstring("sm90 has no legal tiling"));
}

TEST_CASE("what is no Error of this library costs one problem, not the program") {
  Site site;
  site.device.setup_ = [](FakeTarget&, const TuningProblem& problem) {
    if (problem.shape.seqlen_q == 512) throw std::bad_alloc();
  };
  const auto outcomes = site.run(problems({512, 1024}));
  CHECK(outcomes[0].state == TuningState::kFailed);
  CHECK(outcomes[0].error == "std::bad_alloc");
  CHECK(outcomes[1].state == TuningState::kTuned);
}

TEST_CASE("an error that is not the driver's ends one search, not the device") {
  Site site;
  site.device.setup_ = [](FakeTarget& target, const TuningProblem& problem) {
    int verified = 0;
    target.on_verify_ = [=](const Tiling&) mutable {
      if (++verified != 10) return;
      if (problem.shape.seqlen_q == 512) throw Error(ErrorCode::kOutOfMemory, "no memory");
      if (problem.shape.seqlen_q == 1024) throw std::bad_alloc();
    };
  };
  const auto outcomes = site.run(problems({512, 1024, 2048}));
  CHECK(outcomes[0].state == TuningState::kIncomplete);
  CHECK(outcomes[0].error == "no memory");
  CHECK_FALSE(outcomes[0].device_lost);
  CHECK(outcomes[1].state == TuningState::kFailed);
  CHECK_FALSE(outcomes[1].device_lost);
  CHECK(outcomes[2].state == TuningState::kTuned);
}

TEST_CASE("a problem that cannot be opened is a row, the others are tuned") {
  Site site;
  site.device.setup_ = [](FakeTarget&, const TuningProblem& problem) {
    if (problem.shape.seqlen_q == 512) throw Error(ErrorCode::kOutOfMemory, "no memory");
  };
  const auto outcomes = site.run(problems({512, 1024}));
  CHECK(outcomes[0].state == TuningState::kFailed);
  CHECK(outcomes[0].error == "no memory");
  CHECK(outcomes[1].state == TuningState::kTuned);
}

TEST_CASE("without time nothing is claimed") {
  Site site;
  site.options.seconds = 1e-9;
  const auto outcomes = site.run(problems({512, 1024}));
  for (const TuningOutcome& outcome : outcomes) {
    CHECK(outcome.state == TuningState::kIncomplete);
    CHECK(outcome.error == "out of time");
    CHECK(outcome.record.winner_us == outcome.record.default_us);
  }
  const TuningRecords records(site.records());
  const RecordLookup found = records.find(
      device_model(a100()), a100().arch, kProblem, shape_of(512), site.device.digests());
  CHECK(found.match == RecordMatch::kNone);
}

}  // namespace
}  // namespace flashjit
