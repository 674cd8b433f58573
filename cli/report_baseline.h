// What peers reach on one device, measured in a session of its own: a file in the format of
// bench/baselines/h100.json, or a result of bench/compare_torch.py, which has the peers' columns
// beside flashjit's.
#pragma once

#include <string>
#include <vector>

#include "cli/table.h"
#include "tuning_record.h"

namespace flashjit::cli {

// Throws Error(kData).
std::vector<Json> parse_baselines(const std::vector<std::string>& texts);

// Whose numbers the peers' are: device, date and note of each.
Json baselines_json(const std::vector<Json>& baselines);

// What peers reach at the record's problem, {"cuDNN": TFLOP/s, …}: of the peers that were measured
// on the record's device model. Null where none was.
Json peers_of(const TuningRecord& record, const std::vector<Json>& baselines);

}  // namespace flashjit::cli
