#include "tuning_record.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <tuple>

namespace flashjit {
namespace {

int bucket_of(std::int64_t n) {
  const auto rounded = std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(n, 1)));
  return static_cast<int>(std::min<std::uint64_t>(rounded, 1u << 30));
}

// Binary orders of magnitude between two buckets, over all dimensions; heads_per_kv must agree.
constexpr int kFar = 1 << 20;
int distance(const ShapeBucket& a, const ShapeBucket& b) {
  if (a.heads_per_kv != b.heads_per_kv) return kFar;
  const auto log2 = [](int n) {
    return static_cast<int>(std::bit_width(static_cast<unsigned>(n)));
  };
  return std::abs(log2(a.seqlen_q) - log2(b.seqlen_q)) +
         std::abs(log2(a.seqlen_kv) - log2(b.seqlen_kv)) +
         std::abs(log2(a.batch_heads) - log2(b.batch_heads));
}

// A factor of four in one dimension, or of two in two.
constexpr int kNear = 2;

}  // namespace

DeviceModel device_model(const DeviceInfo& device) {
  return {device.name, device.sm_count, device.memory_clock_khz};
}

ShapeBucket shape_bucket(const ProblemShape& shape) {
  return {.seqlen_q = bucket_of(shape.seqlen_q),
          .seqlen_kv = bucket_of(shape.seqlen_kv),
          .batch_heads = bucket_of(static_cast<std::int64_t>(shape.batch) * shape.num_heads_q),
          .heads_per_kv = shape.num_heads_kv > 0 ? shape.num_heads_q / shape.num_heads_kv : 1};
}

bool same_subject(const TuningRecord& a, const TuningRecord& b) {
  return a.device == b.device && a.arch == b.arch && a.problem == b.problem && a.bucket == b.bucket;
}

const char* to_string(RecordMatch match) {
  switch (match) {
    case RecordMatch::kExact:
      return "exact";
    case RecordMatch::kNearBucket:
      return "near bucket";
    case RecordMatch::kOtherDevice:
      return "other device";
    case RecordMatch::kOtherSources:
      return "other sources";
    case RecordMatch::kNone:
      return "none";
  }
  return "unknown";
}

TuningRecords::TuningRecords(std::vector<TuningRecord> records) : records_(std::move(records)) {}

void TuningRecords::add(TuningRecord record) {
  std::erase_if(records_, [&](const TuningRecord& old) { return same_subject(old, record); });
  records_.insert(records_.begin(), std::move(record));
}

void TuningRecords::add_layer(std::vector<TuningRecord> records) {
  records_.insert(records_.end(),
                  std::make_move_iterator(records.begin()),
                  std::make_move_iterator(records.end()));
}

RecordLookup TuningRecords::find(const DeviceModel& device,
                                 const Arch& arch,
                                 const Problem& problem,
                                 const ProblemShape& shape,
                                 const FamilyDigests& digests) const {
  const ShapeBucket bucket = shape_bucket(shape);
  RecordLookup best;
  std::tuple best_rank{RecordMatch::kNone, false, 0};
  for (const TuningRecord& record : records_) {
    if (!record.complete || record.problem != problem || record.arch != arch) continue;
    const int away = distance(record.bucket, bucket);
    if (away > kNear) continue;
    const bool elsewhere = record.device != device;
    RecordMatch match = away == 0 ? RecordMatch::kExact : RecordMatch::kNearBucket;
    if (elsewhere) match = RecordMatch::kOtherDevice;
    if (record.sources_digest != digests[static_cast<std::size_t>(record.winner.family)]) {
      match = RecordMatch::kOtherSources;
    }
    const std::tuple rank{match, elsewhere, away};
    if (rank < best_rank) {
      best = {match, &record};
      best_rank = rank;
    }
  }
  return best;
}

}  // namespace flashjit
