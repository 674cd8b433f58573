// What the tuner found out, and its look-up: problem + shape bucket + device model → the measured
// best tiling. Written by autotune/, read by select; one atomic JSON file per record, or many in
// one shipped collection.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "problem.h"

namespace spdlog {
class logger;
}

namespace flashjit {

// What must be equal for a time measured there to hold here.
struct DeviceModel {
  std::string name;  // as the driver reports it
  int sm_count = 0;
  int memory_clock_khz = 0;

  bool operator==(const DeviceModel&) const = default;
};
DeviceModel device_model(const DeviceInfo& device);

// A shape rounded up to powers of two: every call in the bucket shares one record.
struct ShapeBucket {
  int seqlen_q = 0;      // power of two, >= 1
  int seqlen_kv = 0;     // power of two, >= 1
  int batch_heads = 0;   // batch · num_heads_q, power of two, >= 1
  int heads_per_kv = 1;  // exact

  bool operator==(const ShapeBucket&) const = default;
};
ShapeBucket shape_bucket(const ProblemShape& shape);

// One row of a tuning run.
struct CandidateResult {
  Tiling tiling;
  double time_us = 0;    // median; 0 when it failed
  double spread_us = 0;  // interquartile range
  std::string error;     // "" or why it was not timed
};

struct TuningRecord {
  DeviceModel device;
  Arch arch;
  int driver_version = 0;
  std::string sources_digest;  // of the winner's kernel sources
  Problem problem;
  ShapeBucket bucket;
  ProblemShape shape;  // what was measured; strides are those of dense BSHD
  Tiling winner;
  double winner_us = 0;
  double default_us = 0;  // of the heuristic's choice, in the same paired finals
  std::string policy;     // the measurement policy, as text
  std::string date;       // ISO 8601, UTC
  std::vector<CandidateResult> candidates;
};

// How a look-up matched, best first; `select` logs it and VariantInfo::selected_by names it.
enum class RecordMatch : int {
  kExact = 0,         // this device model, these sources, this bucket
  kNearBucket = 1,    // the same but for the bucket: at most a factor of 4 away in one dimension
  kOtherDevice = 2,   // the same arch, another device model: a hint
  kOtherSources = 3,  // measured with other kernel sources: a hint
  kNone = 4,
};
const char* to_string(RecordMatch match);  // "exact", "near bucket", …

struct RecordLookup {
  RecordMatch match = RecordMatch::kNone;
  const TuningRecord* record = nullptr;  // null iff kNone
};

// JSON, schema "flashjit-tuning-record/1". parse throws Error(kData) that names the field.
std::string to_json(const TuningRecord& record);
TuningRecord parse_tuning_record(const std::string& json);

// Digest of the kernel sources of each family, by its number.
using FamilyDigests = std::array<std::string, 4>;

// All records that this process can see; immutable after construction, so look-ups take no lock.
class TuningRecords {
 public:
  TuningRecords() = default;
  explicit TuningRecords(std::vector<TuningRecord> records);

  // Reads every *.json of the directories, the embedded collection last; unreadable or foreign
  // files are skipped with one named log line each.
  static TuningRecords load(const std::vector<std::filesystem::path>& directories,
                            spdlog::logger& logger);

  RecordLookup find(const DeviceModel& device,
                    const Arch& arch,
                    const Problem& problem,
                    const ProblemShape& shape,
                    const FamilyDigests& digests) const;

  const std::vector<TuningRecord>& all() const { return records_; }

 private:
  std::vector<TuningRecord> records_;
};

}  // namespace flashjit
