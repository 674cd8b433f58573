// Problem + device → Tiling: a forced one, else a tuning record's, else the heuristic's; and says
// which it was.
#pragma once

#include <optional>
#include <string>

#include "problem.h"
#include "tuning_record.h"

namespace flashjit {

class TunedTilings;

struct Selection {
  KernelConfig config;
  std::string selected_by;  // "forced tiling", "forced family", "record exact", …, "heuristic"
  std::string
      note;  // why a record or faster families were passed over, for the log; "" if none was
  RecordMatch match = RecordMatch::kNone;  // of the record that chose
  std::string hint = {};                   // where its record comes from, if that is a hint
};

// Families in the order of their speed: sm90, sm80, simt; the first that can run the problem on the
// device. `records` null: the heuristic alone. Throws Error(kNotSupported) when none can, or the
// forced one cannot, with every reason; Error(kInvalidArgument) for a forced tiling that is illegal
// here.
Selection select(const Problem& problem,
                 const ProblemShape& shape,
                 const DeviceInfo& device,
                 const std::optional<Family>& family,
                 const std::optional<Tiling>& tiling,
                 const TunedTilings* records = nullptr);

// The default tiling of one family, or nothing where the family cannot run the problem on `arch`.
std::optional<Tiling> default_tiling(Family family,
                                     const Problem& problem,
                                     const ProblemShape& shape,
                                     const Arch& arch,
                                     int sm_count);

// Why it cannot, for people; null when it can.
const char* why_unsupported(const KernelConfig& config, const ProblemShape& shape);

}  // namespace flashjit
