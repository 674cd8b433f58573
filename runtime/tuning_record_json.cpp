// TuningRecord ↔ JSON, alone or in a collection. Every field is spelled out and every enum travels
// as a word, so that a record says by itself what it means and outlives a renumbering; an unknown
// field, word or schema is an error that names it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "flashjit/error.h"
#include "json_reader.h"
#include "tuning_record.h"

namespace flashjit {
namespace {

using Json = nlohmann::ordered_json;  // written in the order of the structs
constexpr const char* kSchema = "flashjit-tuning-record/1";
constexpr const char* kCollectionSchema = "flashjit-tuning-records/1";
constexpr const char* kWhere = "tuning record";  // what messages begin with

// The words of each enum, in the order of its values.
template <typename Enum>
constexpr std::array<const char*, 0> kWords{};
template <>
constexpr std::array kWords<Dtype>{"fp16", "bf16", "fp32"};
template <>
constexpr std::array kWords<MaskKind>{"none", "causal"};
template <>
constexpr std::array kWords<Family>{"standard", "simt", "sm80", "sm90"};
template <>
constexpr std::array kWords<Schedule>{"one_tile", "static", "dynamic"};
template <>
constexpr std::array kWords<Rescale>{"eager", "lazy", "optimistic"};
template <>
constexpr std::array kWords<Epilogue>{"direct", "through_q", "staged"};

// One visit lists the fields of a struct; Writer and Reader are the two things that happen to them.
class Writer {
 public:
  explicit Writer(Json& json) : json_(json) {}
  template <typename T>
  void operator()(const char* name, const T& value) {
    if constexpr (std::is_enum_v<T>) {
      json_[name] = kWords<T>.at(static_cast<std::size_t>(value));
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
  Reader(const nlohmann::json& json, const std::string& where) : json_(json, where) {}
  void operator()(const char* name, int& value) { value = json_.integer(name); }
  void operator()(const char* name, double& value) { value = json_.real(name); }
  void operator()(const char* name, float& value) { value = static_cast<float>(json_.real(name)); }
  void operator()(const char* name, bool& value) { value = json_.boolean(name); }
  void operator()(const char* name, std::string& value) { value = json_.text(name); }
  template <typename Enum>
  requires std::is_enum_v<Enum>
  void operator()(const char* name, Enum& value) {
    const std::string word = json_.text(name);
    constexpr auto& names = kWords<Enum>;
    const auto it = std::find(names.begin(), names.end(), word);
    if (it == names.end()) json_.fail(fmt::format("'{}' is the unknown word \"{}\"", name, word));
    value = static_cast<Enum>(it - names.begin());
  }
  template <typename T>
  void optional(const char* name, T& value) {
    if (json_.has(name)) (*this)(name, value);
  }
  JsonReader& json() { return json_; }

 private:
  JsonReader json_;
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
T read(const nlohmann::json& json, const std::string& where) {
  T value{};
  Reader reader(json, where);
  visit_fields(reader, value);
  reader.json().reject_others();
  return value;
}
// The member `name` of `parent`.
template <typename T>
T read(JsonReader& parent, const char* name) {
  return read<T>(parent.object(name), fmt::format("{}: {}", kWhere, name));
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

void require_schema(JsonReader& json, const char* schema) {
  const std::string found = json.text("schema");
  if (found != schema) json.fail(fmt::format("schema '{}' is not '{}'", found, schema));
}

// A shape that no call has would be the nearest of none, and the tuner could not time it again.
void require_sizes(const ProblemShape& shape, const JsonReader& json) {
  const int smallest = std::min(
      {shape.batch, shape.seqlen_q, shape.seqlen_kv, shape.num_heads_q, shape.num_heads_kv});
  if (smallest < 1) json.fail(fmt::format("'shape' has a size of {}", smallest));
}

void require_time(double us, const JsonReader& json) {
  if (us < 0) json.fail(fmt::format("a time is negative: {} µs", us));
}

CandidateResult read_candidate(const nlohmann::json& row) {
  Reader reader(row, std::string(kWhere) + ": candidate");
  CandidateResult candidate;
  candidate.tiling = read<Tiling>(reader.json(), "tiling");
  visit_candidate(reader, candidate);
  require_time(std::min(candidate.time_us, candidate.spread_us), reader.json());
  reader.json().reject_others();
  return candidate;
}

TuningRecord read_record(const nlohmann::json& object) {
  Reader reader(object, kWhere);
  JsonReader& json = reader.json();
  require_schema(json, kSchema);
  TuningRecord record;
  record.device = read<DeviceModel>(json, "device");
  record.arch = read<Arch>(json, "arch");
  record.problem = read<Problem>(json, "problem");
  record.bucket = read<ShapeBucket>(json, "bucket");
  record.shape = read<ProblemShape>(json, "shape");
  require_sizes(record.shape, json);
  record.winner = read<Tiling>(json, "winner");
  if (json.has("default_tiling")) record.default_tiling = read<Tiling>(json, "default_tiling");
  visit_record(reader, record);
  require_time(std::min(record.winner_us, record.default_us), json);
  for (const nlohmann::json& row : json.array("candidates"))
    record.candidates.push_back(read_candidate(row));
  json.reject_others();
  return record;
}

}  // namespace

std::string to_json(const TuningRecord& record) { return write_record(record).dump(1) + "\n"; }

std::string to_json(const Problem& problem) { return write(problem).dump(); }

std::string to_json(const Tiling& tiling) { return write(tiling).dump(); }

Tiling parse_tiling(const std::string& text) {
  return read<Tiling>(parse_json(text, "tiling"), "tiling");
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
  if (records.size() == 1) return records.front();
  throw Error(ErrorCode::kData, fmt::format("{}: a collection stands in the place of one", kWhere));
}

std::vector<TuningRecord> parse_tuning_records(const std::string& text) {
  const nlohmann::json object = parse_json(text, kWhere);
  JsonReader json(object, kWhere);
  if (!json.has("records")) return {read_record(object)};
  require_schema(json, kCollectionSchema);
  std::vector<TuningRecord> records;
  for (const nlohmann::json& row : json.array("records")) records.push_back(read_record(row));
  json.has("pending");  // for people and tests: why changed kernels are not measured anew yet
  json.reject_others();
  return records;
}

}  // namespace flashjit
