// What the tuner found out, and its look-up: problem + shape bucket + device model → the measured
// best tiling. Written by autotune/, read by tuned_tilings; its files are in tuning_record_files.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "problem.h"

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
  double default_us = 0;    // of the heuristic's choice, in the same paired finals
  std::string policy;       // the measurement policy, as text
  double sm_clock_mhz = 0;  // median while the finals ran; 0: not known
  std::string date;         // ISO 8601, UTC
  // Paired finals were held. Without them (out of time, interrupted, device lost) the record only
  // spares the next search its failures: no look-up finds it.
  bool complete = true;
  std::vector<CandidateResult> candidates;  // of an exported record only the telling ones

  // What older records do not say: 0 there.
  int measured = 0;                      // candidates that were timed, the default included
  int failed = 0;                        // candidates that did not compile, were wrong or crashed
  int legal = 0;                         // points of the search space
  int rounds = 0;                        // paired rounds of the finals
  std::optional<Tiling> default_tiling;  // the heuristic's choice of that day
};

// Whether one record answers the same question as the other: the later one replaces it.
bool same_subject(const TuningRecord& a, const TuningRecord& b);

// How a look-up matched, best first; `select` logs it and VariantInfo::selected_by names it. A hint
// was measured elsewhere: it is used, but said to be one, and tuning does not take it for an
// answer.
enum class RecordMatch : int {
  kExact = 0,         // this device model, these sources, this bucket
  kNearBucket = 1,    // the same but for the bucket: at most a factor of 4 away in one dimension
  kOtherDevice = 2,   // the same arch, another device model: a hint
  kOtherSources = 3,  // measured with other kernel sources: a hint
  kNone = 4,
};
const char* to_string(RecordMatch match);  // "exact", "near bucket", …
inline bool is_hint(RecordMatch match) {
  return match == RecordMatch::kOtherDevice || match == RecordMatch::kOtherSources;
}

struct RecordLookup {
  RecordMatch match = RecordMatch::kNone;
  const TuningRecord* record = nullptr;  // null iff kNone
};

// JSON, schema "flashjit-tuning-record/1", and "flashjit-tuning-records/1" for a collection.
// Parsing throws Error(kData) that names the field; parse_tuning_records takes both.
std::string to_json(const TuningRecord& record);
std::string to_json(const std::vector<TuningRecord>& records);
TuningRecord parse_tuning_record(const std::string& json);
std::vector<TuningRecord> parse_tuning_records(const std::string& json);
// A problem or a tiling by itself, as it stands in a record of a collection.
std::string to_json(const Problem& problem);
std::string to_json(const Tiling& tiling);
Tiling parse_tiling(const std::string& json);

// Digest of the kernel sources of each family, by its number.
using FamilyDigests = std::array<std::string, 4>;

// Records in the order of their layers.
class TuningRecords {
 public:
  TuningRecords() = default;
  explicit TuningRecords(std::vector<TuningRecord> records);

  // In front of all others; replaces one of the same subject.
  void add(TuningRecord record);

  // Behind all others.
  void add_layer(std::vector<TuningRecord> records);

  // The best match; of equal ones this device model's, then the nearest bucket, then the first
  // layer.
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
