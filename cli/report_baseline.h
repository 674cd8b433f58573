// What peers and the device itself reach, as bench/baselines/h100.json has it: measured on one
// device in a session of its own.
#pragma once

#include <string>

#include "cli/table.h"
#include "tuning_record.h"

namespace flashjit::cli {

// Null for "". Throws Error(kData).
Json parse_baseline(const std::string& text);

// Of a parsed baseline, null where it does not say:
//
// whose numbers the peers' are: device, date, note;
Json baseline_json(const Json& baseline);
// what its device reaches, which need not be a device of the records: device, tflops, gb_per_s;
Json roofs_json(const Json& baseline);
// what peers reach at the record's problem, {"cuDNN": TFLOP/s, …}; null where the baseline's device
// is another model than the record's, too.
Json peers_of(const TuningRecord& record, const Json& baseline);

}  // namespace flashjit::cli
