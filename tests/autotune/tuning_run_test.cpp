// Runs over many problems on devices that are made up: what is skipped, kept, shared and written.
#include "autotune/tuning_run.h"

#include <spdlog/sinks/null_sink.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <new>
#include <optional>

#include "autotune/fake_target.h"
#include "support/catch.h"
#include "support/temp_dir.h"
#include "tuning_record_files.h"

namespace flashjit {
namespace {

// The sm80 space is small: an Ampere device.
DeviceInfo a100(const std::string& name = "made up A100") {
  DeviceInfo device;
  device.name = name;
  device.arch = {8, 0, false};
  device.sm_count = 108;
  device.driver_version = 13000;
  return device;
}

class FakeTuningDevice : public TuningDevice {
 public:
  explicit FakeTuningDevice(const DeviceInfo& info) : info_(info) {}

  const DeviceInfo& info() const override { return info_; }
  FamilyDigests digests() const override { return {"a", "b", digest_, "d"}; }
  std::string policy() const override { return "made up"; }
  std::unique_ptr<TuningTarget> open(const TuningProblem& problem) override {
    opened_.push_back(problem.shape.seqlen_q);
    auto target = std::make_unique<FakeTarget>();
    setup_(*target, problem);
    return target;
  }
  void compile_ahead(const KernelConfig&) override { ++ahead_; }

  std::vector<int> opened_;
  std::atomic<int> ahead_ = 0;
  std::string digest_ = "c";
  std::function<void(FakeTarget&, const TuningProblem&)> setup_ = [](FakeTarget&,
                                                                     const TuningProblem&) {};

 private:
  DeviceInfo info_;
};

std::vector<TuningProblem> problems(std::initializer_list<int> seqlens) {
  std::vector<TuningProblem> result;
  for (const int seqlen : seqlens) result.push_back({kProblem, shape_of(seqlen)});
  return result;
}

// One device, its records in a directory.
struct Site {
  test::TempDir directory;
  std::vector<std::unique_ptr<TuningDevice>> devices;
  FakeTuningDevice& device;
  RunOptions options;

  Site() : device(add(a100())) {
    options.directory = directory / "tuning";
    options.compile_threads = 2;
    options.tuner.seconds = 60;
  }
  FakeTuningDevice& add(const DeviceInfo& info) {
    devices.push_back(std::make_unique<FakeTuningDevice>(info));
    return static_cast<FakeTuningDevice&>(*devices.back());
  }
  std::vector<TuningRecord> records() const {
    spdlog::logger quiet("quiet", std::make_shared<spdlog::sinks::null_sink_mt>());
    return read_records(directory / "tuning", quiet);
  }
  std::vector<TuningOutcome> run(const std::vector<TuningProblem>& list) {
    return run_tuning(devices, list, records(), options);
  }
};

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

TEST_CASE("a lost device keeps what was measured, and the next run goes on from there") {
  Site site;
  bool broken = true;
  site.device.setup_ = [&](FakeTarget& target, const TuningProblem& problem) {
    if (broken && problem.shape.seqlen_q == 1024) target.calls_left_ = 40;
  };
  const auto list = problems({512, 1024, 4096});
  const auto first = site.run(list);
  CHECK(first[0].state == TuningState::kTuned);
  CHECK(first[1].state == TuningState::kIncomplete);
  CHECK(first[1].device_lost);
  CHECK_THAT(first[1].error, ContainsSubstring("DEVICE_LOST"));
  CHECK(first[1].record.candidates.size() > 1);
  CHECK(first[2].state == TuningState::kNotBegun);
  CHECK(site.records().size() == 2);

  broken = false;
  site.device.opened_.clear();
  const auto second = site.run(list);
  CHECK(second[0].state == TuningState::kPresent);
  CHECK(second[1].state == TuningState::kTuned);
  CHECK(second[2].state == TuningState::kTuned);
  CHECK(site.device.opened_ == std::vector<int>{1024, 4096});
  CHECK(site.records().size() == 3);
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
  site.device.setup_ = [](FakeTarget& target, const TuningProblem&) { target.calls_left_ = 3; };
  int tuned = 0, incomplete = 0;
  for (const TuningOutcome& outcome : site.run(problems({256, 512, 1024, 2048, 4096, 8192}))) {
    tuned += outcome.state == TuningState::kTuned;
    incomplete += outcome.state == TuningState::kIncomplete;
  }
  CHECK(tuned + incomplete == 6);
  CHECK(incomplete <= 1);
  CHECK(static_cast<int>(twin.opened_.size()) == tuned);
}

TEST_CASE("measuring again is no risk for a complete record") {
  Site site;
  const auto list = problems({512});
  const TuningRecord before = site.run(list).at(0).record;
  const auto found = [&] {
    const TuningRecords records(site.records());
    const RecordLookup exact = records.find(
        device_model(a100()), a100().arch, kProblem, shape_of(512), site.device.digests());
    CHECK(exact.match == RecordMatch::kExact);
    return exact.match == RecordMatch::kNone ? Tiling{} : exact.record->winner;
  };
  CHECK(found() == before.winner);

  bool broken = true;
  site.device.setup_ = [&](FakeTarget& target, const TuningProblem&) {
    if (broken) target.calls_left_ = 40;
  };
  site.options.again = true;
  const TuningOutcome lost = site.run(list).at(0);
  CHECK(lost.state == TuningState::kIncomplete);
  CHECK(lost.record.candidates.size() > 1);
  CHECK(site.records().size() == 2);
  CHECK(found() == before.winner);
  site.options.again = false;
  CHECK(site.run(list).at(0).state == TuningState::kPresent);

  // The next one goes on from what the interrupted one left, and ends it.
  broken = false;
  site.options.again = true;
  CHECK(site.run(list).at(0).state == TuningState::kTuned);
  CHECK(site.records().size() == 1);
  CHECK(found() == before.winner);
}

TEST_CASE("a record says of how many its candidates are, and against what") {
  Site site;
  site.device.setup_ = [](FakeTarget& target, const TuningProblem&) { target.bad_block_n_ = 112; };
  const TuningSpace space = tuning_space(problems({512}).front(), a100());
  const TuningRecord record = site.run(problems({512})).at(0).record;
  CHECK(record.failed > 0);
  CHECK(record.measured + record.failed == static_cast<int>(record.candidates.size()));
  CHECK(record.legal == static_cast<int>(space.candidates.size()));
  CHECK(record.rounds == TunerOptions{}.final_rounds);
  REQUIRE(record.default_tiling);
  CHECK(*record.default_tiling == space.default_tiling);
  CHECK_FALSE(covers_space(record, space.candidates));
}

TEST_CASE("an exhaustive search goes on from what is known, until it has covered the space") {
  Site site;
  const auto list = problems({512});
  const TuningOutcome ordinary = site.run(list).at(0);
  const TuningRecord& first = ordinary.record;
  CHECK_FALSE(ordinary.covered);

  int verified = 0;
  site.device.setup_ = [&](FakeTarget& target, const TuningProblem&) {
    target.on_verify_ = [&](const Tiling&) { ++verified; };
  };
  site.options.tuner.exhaustive = true;
  const TuningOutcome all = site.run(list).at(0);
  CHECK(all.state == TuningState::kTuned);
  CHECK(all.covered);
  CHECK(verified >= first.legal - first.measured);
  CHECK(verified < first.legal);

  CHECK(site.run(list).at(0).state == TuningState::kPresent);
  site.options.tuner.exhaustive = false;
  CHECK(site.run(list).at(0).state == TuningState::kPresent);
}

TEST_CASE("a space is covered by rows of its own family") {
  Site site;
  const auto list = problems({512});
  site.options.tuner.exhaustive = true;
  CHECK(site.run(list).at(0).covered);
  site.options.family = Family::kSimt;
  const TuningOutcome simt = site.run(list).at(0);
  CHECK(simt.state == TuningState::kTuned);
  CHECK(simt.covered);
  const auto tried = std::count_if(
      simt.record.candidates.begin(), simt.record.candidates.end(), [](const CandidateResult& row) {
        return row.tiling.family == Family::kSimt;
      });
  CHECK(tried == simt.record.legal);
  CHECK(site.run(list).at(0).state == TuningState::kPresent);
  site.options.family.reset();
  CHECK(site.run(list).at(0).state == TuningState::kPresent);
}

TEST_CASE("a search goes on from the record that knows more") {
  Site site;
  const auto list = problems({512});
  const TuningRecord complete = site.run(list).at(0).record;
  int calls = 10;
  site.device.setup_ = [&](FakeTarget& target, const TuningProblem&) {
    target.calls_left_ = calls;
  };
  site.options.again = true;
  const std::size_t partial = site.run(list).at(0).record.candidates.size();
  REQUIRE(site.records().size() == 2);
  REQUIRE(partial + 25 < complete.candidates.size());

  calls = 1 << 20;
  std::optional<int> first;  // rows after the first batch
  site.options.progress = [&](const RunProgress& p) {
    if (!first) first = p.search.done;
  };
  const auto begins_with = [&](bool again) {
    first.reset();
    site.options.again = again;
    site.options.tuner.exhaustive = !again;
    const auto before = site.records();
    CHECK(site.run(list).at(0).state == TuningState::kTuned);
    for (const TuningRecord& r : before) write_record(site.options.directory, r);
    return static_cast<std::size_t>(first.value_or(0));
  };
  CHECK(begins_with(/*again=*/false) >= complete.candidates.size());
  CHECK(begins_with(/*again=*/true) <= partial + 25);
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
