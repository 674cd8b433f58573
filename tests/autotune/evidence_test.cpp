// Which candidates of a record are carried with the library.
#include "autotune/evidence.h"

#include <algorithm>
#include <set>

#include "support/catch.h"

namespace flashjit {
namespace {

CandidateResult row(int block_m, int block_n, double time_us, int num_stages = 2) {
  return {{.block_m = block_m, .block_n = block_n, .num_stages = num_stages}, time_us, 0.1, ""};
}

CandidateResult failure(int block_n, const std::string& error) {
  return {{.block_m = 256, .block_n = block_n}, 0, 0, error};
}

std::set<double> times(const TuningRecord& record) {
  std::set<double> found;
  for (const CandidateResult& r : record.candidates) {
    if (r.error.empty()) found.insert(r.time_us);
  }
  return found;
}

TEST_CASE("of each tile the fastest is kept, and winner and default whatever they are") {
  TuningRecord record;
  record.candidates = {
      row(64, 64, 9), row(64, 64, 7), row(64, 64, 8, 3), row(64, 96, 20), row(64, 64, 7.5, 4)};
  record.winner = record.candidates[2].tiling;
  record.winner_us = 8;
  record.default_tiling = record.candidates[0].tiling;
  record.candidates[0].tiling.num_stages = 1;
  record.default_tiling->num_stages = 1;
  record.default_us = 20;
  record.measured = 5;
  const TuningRecord kept = abridged(record);
  CHECK(times(kept) == std::set<double>{7, 8, 9, 20});
  CHECK(kept.measured == 5);
  // An older record knows its default by its time only.
  record.default_tiling.reset();
  record.default_us = 7.5;
  CHECK(times(abridged(record)) == std::set<double>{7, 7.5, 8, 20});
}

TEST_CASE("no more than the best twenty tiles are kept beside winner and default") {
  TuningRecord record;
  for (int i = 0; i < 30; ++i) record.candidates.push_back(row(64, 8 * (i + 1), 100 - i));
  record.winner = record.candidates.back().tiling;
  record.default_tiling = record.candidates.front().tiling;
  const TuningRecord kept = abridged(record);
  CHECK(kept.candidates.size() == 21);
  CHECK(times(kept).contains(100));
  CHECK(*std::prev(times(kept).end(), 2) == 90);
}

TEST_CASE("failures are kept once each, by their first line") {
  TuningRecord record;
  record.candidates = {failure(32, "differs by 0.3, bound 0.01"),
                       failure(48, "differs by 0.25, bound 0.01"),
                       failure(64, "error: no registers\nline 2 of the log"),
                       failure(80, std::string(199, 'x') + "µs"),
                       row(64, 64, 9)};
  const TuningRecord kept = abridged(record);
  REQUIRE(kept.candidates.size() == 4);
  CHECK(kept.candidates[0].time_us == 9);
  CHECK(kept.candidates[1].error == "differs by 0.3, bound 0.01");
  CHECK(kept.candidates[2].error == "error: no registers");
  CHECK(kept.candidates[3].error == std::string(199, 'x'));
  CHECK_NOTHROW(to_json(kept));
}

}  // namespace
}  // namespace flashjit
