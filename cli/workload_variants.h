// The variants behind a workload file and behind names, for commands that work without a GPU.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flashjit/runtime.h"
#include "tuned_tilings.h"

namespace flashjit::cli {

// What to build, as the flags have it.
struct BuildSet {
  std::string workload;            // "": none
  std::vector<std::string> names;  // variants by name
  std::vector<std::string> archs;
  std::vector<int> sm_counts;  // of the devices; empty: the usual one of each architecture
};

// The tuning records that choices go by.
struct BuildRecords {
  TunedTilings tilings;
  std::vector<TuningRecord> all;
};
// Those that a runtime with these settings sees; none where FLASHJIT_TUNE is off. `sources`
// outlives them.
std::unique_ptr<BuildRecords> visible_build_records(const Settings& settings,
                                                    const KernelSources& sources);

// What a runtime would choose on a device of each architecture and size, then the named ones; each
// variant once, in order of first need, with the line of the workload that needs it. A problem that
// no kernel runs on an architecture is a row with that error. Throws Error(kInvalidArgument) for an
// unknown architecture or name, Error(kIo), Error(kData) for the workload. With `records` also what
// a runtime would choose on the very devices that they were measured on.
std::vector<PreloadedVariant> needed_variants(const BuildSet& set,
                                              const BuildRecords* records = nullptr);

}  // namespace flashjit::cli
