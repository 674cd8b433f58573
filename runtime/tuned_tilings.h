// The tuning records that one Runtime sees, and the question that select() asks of them. Layers, in
// order: what this process measured, the user's cache directory, bundles, what the library carries.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "kernel_sources.h"
#include "log.h"
#include "settings.h"
#include "tuning_record.h"

namespace flashjit {

// A record's answer.
struct TunedTiling {
  Tiling tiling;
  RecordMatch match = RecordMatch::kNone;
  std::string source = {};  // of a hint: where and when it was measured, for the log
};

// Thread-safe. Reads its layers at the first question, which a warm call never asks, and what the
// library carries problem by problem; never throws for the state of a disk.
class TunedTilings {
 public:
  // `sources` outlives this object: records of other sources are hints.
  TunedTilings(const Settings& settings,
               const KernelSources& sources,
               std::shared_ptr<spdlog::logger> logger);

  std::optional<TunedTiling> find(const Problem& problem,
                                  const ProblemShape& shape,
                                  const DeviceInfo& device) const;

  // A record that was just measured: answers from now on, and is written to the cache directory
  // where there is one and it may be written to. An incomplete one answers nothing: it is ignored.
  void add(const TuningRecord& record);

 private:
  void load(const Problem& problem) const;

  const Settings settings_;
  const KernelSources& sources_;
  const std::shared_ptr<spdlog::logger> logger_;
  mutable std::mutex mutex_;  // of what follows
  mutable bool loaded_ = false;
  mutable std::vector<Problem> shipped_;  // whose embedded records are among records_
  mutable TuningRecords records_;
  mutable FamilyDigests digests_;
};

// What every layer below memory holds, in order.
TuningRecords visible_records(const Settings& settings, spdlog::logger& logger);

// Digest of the sources that the variants of each family include; no digest's text where some are
// missing.
FamilyDigests family_digests(const KernelSources& sources);

}  // namespace flashjit
