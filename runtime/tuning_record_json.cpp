// TuningRecord ↔ JSON, alone or in a collection. Every field is spelled out and every enum travels
// as a word, so that a record says by itself what it means and outlives a renumbering; an unknown
// field, word or schema is an error that names it.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "flashjit/error.h"
#include "tuning_record.h"

namespace flashjit {
namespace {

using Json = nlohmann::ordered_json;
constexpr const char* kSchema = "flashjit-tuning-record/1";
constexpr const char* kCollectionSchema = "flashjit-tuning-records/1";

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::kData, "tuning record: " + what);
}

// The words of each enum, in the order of its values.
template <typename Enum>
std::span<const char* const> words();
template <>
std::span<const char* const> words<Dtype>() {
  static constexpr const char* kWords[] = {"fp16", "bf16", "fp32"};
  return kWords;
}
template <>
std::span<const char* const> words<MaskKind>() {
  static constexpr const char* kWords[] = {"none", "causal"};
  return kWords;
}
template <>
std::span<const char* const> words<Family>() {
  static constexpr const char* kWords[] = {"standard", "simt", "sm80", "sm90"};
  return kWords;
}
template <>
std::span<const char* const> words<Schedule>() {
  static constexpr const char* kWords[] = {"one_tile", "static", "dynamic"};
  return kWords;
}
template <>
std::span<const char* const> words<Rescale>() {
  static constexpr const char* kWords[] = {"eager", "lazy", "optimistic"};
  return kWords;
}
template <>
std::span<const char* const> words<Epilogue>() {
  static constexpr const char* kWords[] = {"direct", "through_q", "staged"};
  return kWords;
}

// One visit lists the fields of a struct; Writer and Reader are the two things that happen to them.
class Writer {
 public:
  explicit Writer(Json& json) : json_(json) {}
  template <typename T>
  void operator()(const char* name, const T& value) {
    if constexpr (std::is_enum_v<T>) {
      json_[name] = words<T>()[static_cast<std::size_t>(value)];
    } else {
      json_[name] = value;
    }
  }
  // A field that older records lack: written where it says something.
  template <typename T>
  void optional(const char* name, const T& value) {
    if (value != T{}) (*this)(name, value);
  }

 private:
  Json& json_;
};

class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {
    if (!json.is_object()) fail("an object is missing");
  }
  template <typename T>
  void operator()(const char* name, T& value) {
    seen_.insert(name);
    const auto it = json_.find(name);
    if (it == json_.end()) fail(fmt::format("field '{}' is missing", name));
    if constexpr (std::is_enum_v<T>) {
      const auto names = words<T>();
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (*it == names[i]) {
          value = static_cast<T>(i);
          return;
        }
      }
      fail(fmt::format("field '{}' has the unknown value {}", name, it->dump()));
    } else {
      try {
        it->get_to(value);
      } catch (const nlohmann::json::exception&) {
        fail(fmt::format("field '{}' has the wrong type: {}", name, it->dump()));
      }
    }
  }
  template <typename T>
  void optional(const char* name, T& value) {
    if (has(name)) (*this)(name, value);
  }
  // Of a field that is read elsewhere, and may be there.
  bool has(const char* name) {
    seen_.insert(name);
    return json_.contains(name);
  }
  // A field that is read elsewhere; it must be there.
  void expect(const char* name) {
    seen_.insert(name);
    if (!json_.contains(name)) fail(fmt::format("field '{}' is missing", name));
  }
  void reject_others() const {
    for (const auto& [name, value] : json_.items()) {
      if (!seen_.contains(name)) fail(fmt::format("unknown field '{}'", name));
    }
  }

 private:
  const Json& json_;
  std::set<std::string> seen_;
};

template <typename Visitor, typename T>
void visit_fields(Visitor& visit, T& x) {
  using U = std::remove_const_t<T>;
  if constexpr (std::is_same_v<U, Problem>) {
    visit("dtype", x.dtype);
    visit("head_dim_qk", x.head_dim_qk);
    visit("head_dim_v", x.head_dim_v);
    visit("mask", x.mask);
    visit("return_lse", x.return_lse);
  } else if constexpr (std::is_same_v<U, Tiling>) {
    visit("family", x.family);
    visit("block_m", x.block_m);
    visit("block_n", x.block_n);
    visit("num_stages", x.num_stages);
    visit("num_q_stages", x.num_q_stages);
    visit("num_warps", x.num_warps);
    visit("overlap", x.overlap);
    visit("ping_pong", x.ping_pong);
    visit("skip_masked", x.skip_masked);
    visit("row_sum_by_mma", x.row_sum_by_mma);
    visit.optional("probs_in_smem", x.probs_in_smem);  // not in the first records
    visit.optional("cluster_size", x.cluster_size);
    visit("schedule", x.schedule);
    visit("rescale", x.rescale);
    visit("epilogue", x.epilogue);
    visit("producer_regs", x.producer_regs);
    visit("consumer_regs", x.consumer_regs);
  } else if constexpr (std::is_same_v<U, Arch>) {
    visit("major", x.major);
    visit("minor", x.minor);
    visit("specific", x.specific);
  } else if constexpr (std::is_same_v<U, DeviceModel>) {
    visit("name", x.name);
    visit("sm_count", x.sm_count);
    visit("memory_clock_khz", x.memory_clock_khz);
  } else if constexpr (std::is_same_v<U, ShapeBucket>) {
    visit("seqlen_q", x.seqlen_q);
    visit("seqlen_kv", x.seqlen_kv);
    visit("batch_heads", x.batch_heads);
    visit("heads_per_kv", x.heads_per_kv);
  } else if constexpr (std::is_same_v<U, ProblemShape>) {
    visit("batch", x.batch);
    visit("seqlen_q", x.seqlen_q);
    visit("seqlen_kv", x.seqlen_kv);
    visit("num_heads_q", x.num_heads_q);
    visit("num_heads_kv", x.num_heads_kv);
    visit("diagonal", x.diagonal);
    visit("softmax_scale", x.softmax_scale);
  }
}

template <typename T>
Json write(const T& value) {
  Json json = Json::object();
  Writer writer(json);
  visit_fields(writer, value);
  return json;
}

template <typename T>
T read(const Json& parent, const char* name) {
  const auto it = parent.find(name);
  if (it == parent.end()) fail(fmt::format("field '{}' is missing", name));
  T value{};
  Reader reader(*it);
  visit_fields(reader, value);
  reader.reject_others();
  return value;
}

// The plain fields of a record; its structs and its candidates are written beside them.
template <typename Visitor, typename T>
void visit_record(Visitor& visit, T& r) {
  visit("driver_version", r.driver_version);
  visit("sources_digest", r.sources_digest);
  visit("winner_us", r.winner_us);
  visit("default_us", r.default_us);
  visit("policy", r.policy);
  visit("sm_clock_mhz", r.sm_clock_mhz);
  visit("date", r.date);
  visit("complete", r.complete);
  visit.optional("measured", r.measured);
  visit.optional("failed", r.failed);
  visit.optional("legal", r.legal);
  visit.optional("rounds", r.rounds);
}

template <typename Visitor, typename T>
void visit_candidate(Visitor& visit, T& c) {
  visit("time_us", c.time_us);
  visit("spread_us", c.spread_us);
  visit("error", c.error);
}

Json write_record(const TuningRecord& record) {
  Json json = {{"schema", kSchema}};
  json["device"] = write(record.device);
  json["arch"] = write(record.arch);
  json["problem"] = write(record.problem);
  json["bucket"] = write(record.bucket);
  json["shape"] = write(record.shape);
  json["winner"] = write(record.winner);
  if (record.default_tiling) json["default_tiling"] = write(*record.default_tiling);
  Writer writer(json);
  visit_record(writer, record);
  Json& candidates = json["candidates"] = Json::array();
  for (const CandidateResult& candidate : record.candidates) {
    Json row = {{"tiling", write(candidate.tiling)}};
    Writer row_writer(row);
    visit_candidate(row_writer, candidate);
    candidates.push_back(std::move(row));
  }
  return json;
}

void require_schema(const Json& json, const char* schema) {
  const auto it = json.find("schema");
  if (it == json.end() || *it != schema) {
    fail(fmt::format("schema {} is not '{}'", it == json.end() ? "''" : it->dump(), schema));
  }
}

// A shape that no call has would be the nearest of none, and the tuner could not time it again.
void require_sizes(const ProblemShape& shape) {
  const int smallest = std::min(
      {shape.batch, shape.seqlen_q, shape.seqlen_kv, shape.num_heads_q, shape.num_heads_kv});
  if (smallest < 1) fail(fmt::format("field 'shape' has a size of {}", smallest));
}

void require_times(const TuningRecord& record) {
  const double least = std::min(record.winner_us, record.default_us);
  if (least < 0) fail(fmt::format("a time is negative: {} µs", least));
}

TuningRecord read_record(const Json& json) {
  if (!json.is_object()) fail("not a JSON object");
  require_schema(json, kSchema);
  TuningRecord record;
  Reader reader(json);
  for (const char* name :
       {"schema", "device", "arch", "problem", "bucket", "shape", "winner", "candidates"})
    reader.expect(name);
  record.device = read<DeviceModel>(json, "device");
  record.arch = read<Arch>(json, "arch");
  record.problem = read<Problem>(json, "problem");
  record.bucket = read<ShapeBucket>(json, "bucket");
  record.shape = read<ProblemShape>(json, "shape");
  require_sizes(record.shape);
  record.winner = read<Tiling>(json, "winner");
  if (reader.has("default_tiling")) record.default_tiling = read<Tiling>(json, "default_tiling");
  visit_record(reader, record);
  require_times(record);
  reader.reject_others();
  const Json& candidates = json["candidates"];
  if (!candidates.is_array()) fail("field 'candidates' is no array");
  for (const Json& row : candidates) {
    CandidateResult candidate;
    Reader row_reader(row);
    row_reader.expect("tiling");
    candidate.tiling = read<Tiling>(row, "tiling");
    visit_candidate(row_reader, candidate);
    row_reader.reject_others();
    record.candidates.push_back(std::move(candidate));
  }
  return record;
}

}  // namespace

std::string to_json(const TuningRecord& record) { return write_record(record).dump(1) + "\n"; }

std::string to_json(const Tiling& tiling) { return write(tiling).dump(); }

Tiling parse_tiling(const std::string& text) {
  Tiling tiling;
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  Reader reader(json);
  visit_fields(reader, tiling);
  reader.reject_others();
  return tiling;
}

std::string to_json(const std::vector<TuningRecord>& records) {
  // A line per record: what changed is seen in a diff.
  std::string text = fmt::format("{{\"schema\": \"{}\", \"records\": [", kCollectionSchema);
  const char* separator = "\n";
  for (const TuningRecord& record : records) {
    text += separator + write_record(record).dump();
    separator = ",\n";
  }
  return text + "\n]}\n";
}

TuningRecord parse_tuning_record(const std::string& text) {
  const std::vector<TuningRecord> records = parse_tuning_records(text);
  if (records.size() != 1) fail("a collection stands in the place of one record");
  return records.front();
}

std::vector<TuningRecord> parse_tuning_records(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) fail("not a JSON object (truncated?)");
  const auto rows = json.find("records");
  if (rows == json.end()) return {read_record(json)};
  require_schema(json, kCollectionSchema);
  Reader reader(json);
  reader.expect("schema");
  reader.expect("records");
  reader.has("pending");  // for people and tests: why changed kernels are not measured anew yet
  reader.reject_others();
  if (!rows->is_array()) fail("field 'records' is no array");
  std::vector<TuningRecord> records;
  for (const Json& row : *rows) records.push_back(read_record(row));
  return records;
}

}  // namespace flashjit
