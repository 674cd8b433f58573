// The GPUs that the records of a report are of: a page shows one at a time, a terminal one after
// the other.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/table.h"
#include "settings.h"
#include "tuning_record.h"

namespace flashjit::cli {

// Each once, in alphabetical order.
std::vector<std::string> device_names(const std::vector<TuningRecord>& records);

// Those whose device name contains `text`, whatever the case. Throws Error(kInvalidArgument), which
// lists the names that there are, for none.
std::vector<TuningRecord> records_of_device(const std::vector<TuningRecord>& records,
                                            std::string_view text);

// The device to begin with: one of `here`, the devices of this machine; else the one that most
// records with these kernel sources are of, then the one measured last. "": no record.
std::string shown_device(const std::vector<TuningRecord>& records,
                         const FamilyDigests& digests,
                         const std::vector<std::string>& here);

// One object per device: name, number of problems, how many of them were measured with these
// sources, date of the last.
Json devices_json(const std::vector<TuningRecord>& records, const FamilyDigests& digests);

// The names of this machine's GPUs; none without a driver.
std::vector<std::string> devices_here(const Settings& settings);

}  // namespace flashjit::cli
