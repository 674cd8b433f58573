// A problem as it is tuned: the space that is searched, and the record that the search becomes.
#pragma once

#include <optional>
#include <vector>

#include "tuner.h"

namespace flashjit {

struct TuningProblem {
  Problem problem;
  ProblemShape shape;  // dense BSHD
};

// The search space of a family, and what the heuristic chooses, of whatever family that is.
struct TuningSpace {
  Tiling default_tiling;
  std::vector<Candidate> candidates;
};
// Without a family the space is that of the heuristic's choice.
TuningSpace tuning_space(const TuningProblem& problem,
                         const DeviceInfo& device,
                         const std::optional<Family>& family = std::nullopt);

// The record of a search.
TuningRecord make_record(const TuningProblem& problem,
                         const DeviceInfo& device,
                         const FamilyDigests& digests,
                         const TuningResult& result);

// Whether each tiling of the space has its row in the record, which may have rows of other families
// as well. An abridged record has few rows of any.
bool covers_space(const TuningRecord& record, const std::vector<Candidate>& space);

}  // namespace flashjit
