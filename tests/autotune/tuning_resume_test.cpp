// What a run goes on from: records of an interrupted one, complete ones, those of an exhaustive
// search.
#include "autotune/tuning_run.h"

#include <algorithm>
#include <optional>

#include "autotune/tuning_site.h"
#include "support/catch.h"

namespace flashjit {
namespace {

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

}  // namespace
}  // namespace flashjit
