#include "tuning_problem.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "select.h"
#include "tiling_set.h"

namespace flashjit {
namespace {

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

}  // namespace

TuningSpace tuning_space(const TuningProblem& problem,
                         const DeviceInfo& device,
                         const std::optional<Family>& family) {
  const Tiling chosen =
      select(problem.problem, problem.shape, device, std::nullopt, std::nullopt).config.tiling;
  return {chosen,
          search_space(family.value_or(chosen.family), problem.problem, problem.shape, device)};
}

TuningRecord make_record(const TuningProblem& problem,
                         const DeviceInfo& device,
                         const FamilyDigests& digests,
                         const TuningResult& result) {
  TuningRecord record;
  record.device = device_model(device);
  record.arch = device.arch;
  record.driver_version = device.driver_version;
  record.sources_digest = digests[static_cast<std::size_t>(result.winner.family)];
  record.problem = problem.problem;
  record.bucket = shape_bucket(problem.shape);
  record.shape = problem.shape;
  record.winner = result.winner;
  record.winner_us = result.winner_us;
  record.default_us = result.default_us;
  record.date = utc_now();
  record.complete = result.complete;
  record.candidates = result.candidates;
  for (const CandidateResult& row : result.candidates)
    ++(row.error.empty() ? record.measured : record.failed);
  record.legal = result.legal;
  record.rounds = result.rounds;
  record.default_tiling = result.default_tiling;
  return record;
}

bool covers_space(const TuningRecord& record, const std::vector<Candidate>& space) {
  if (space.empty() || record.candidates.size() < space.size()) return false;
  TilingSet tried;
  for (const CandidateResult& row : record.candidates) tried.insert(row.tiling);
  return std::all_of(
      space.begin(), space.end(), [&](const Candidate& c) { return tried.contains(c.tiling); });
}

}  // namespace flashjit
