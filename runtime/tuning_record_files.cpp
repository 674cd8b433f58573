#include "tuning_record_files.h"

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>
#include <string_view>

#include "embedded_sources.h"
#include "flashjit/error.h"
#include "posix_file.h"
#include "sha256.h"
#include "variant_name.h"

namespace flashjit {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFileBytes = 256u << 20;

std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void append(std::vector<TuningRecord>& records, std::vector<TuningRecord> more) {
  records.insert(
      records.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// The record files of a directory, sorted; the path itself where it is a file.
std::vector<fs::path> record_files(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return {path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const bool hidden = entry.path().filename().string().starts_with('.');
    if (entry.path().extension() == ".json" && !hidden) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Behind the array that begins at `at`; npos where it does not end.
std::size_t end_of_array(std::string_view json, std::size_t at) {
  int depth = 0;
  for (; at < json.size(); ++at) {
    if (json[at] == '"') {
      while (++at < json.size() && json[at] != '"') at += json[at] == '\\';
    } else if (json[at] == '[') {
      ++depth;
    } else if (json[at] == ']' && --depth == 0) {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

// The text with its arrays of candidates emptied. Inside a string the name would stand with a
// backslash before each quotation mark; what is no JSON stays none.
std::string without_candidates(std::string_view json) {
  constexpr std::string_view kName = "\"candidates\"";
  std::string kept;
  for (std::size_t at; (at = json.find(kName)) != std::string_view::npos;) {
    const std::size_t array = json.find_first_not_of(": \n", at + kName.size());
    const bool empties = array != std::string_view::npos && json[array] == '[';
    const std::size_t end = empties ? end_of_array(json, array) : at + kName.size();
    if (end == std::string_view::npos) break;
    kept += json.substr(0, empties ? array : end);
    if (empties) kept += "[]";
    json.remove_prefix(end);
  }
  return kept += json;
}

// Private where it is made here: it may become the root of a cache, which nobody else may write to.
void make_directories(const fs::path& directory) {
  std::error_code error;
  if (directory.empty() || fs::is_directory(directory, error)) return;
  make_directories(directory.parent_path());
  fs::create_directory(directory, error);
  if (error) throw_io("cannot create " + directory.string(), error.value());
  fs::permissions(directory, fs::perms::owner_all, error);
}

}  // namespace

std::string record_file_name(const TuningRecord& r) {
  const std::string model = fmt::format("{} {} {} {}",
                                        arch_name(r.arch),
                                        r.device.name,
                                        r.device.sm_count,
                                        r.device.memory_clock_khz);
  return fmt::format(
      "{}_d{}{}{}{}_q{}_kv{}_bh{}_g{}_{}{}.json",
      to_string(r.problem.dtype),
      r.problem.head_dim_qk,
      r.problem.head_dim_v == r.problem.head_dim_qk ? "" : fmt::format("v{}", r.problem.head_dim_v),
      r.problem.mask == MaskKind::kCausal ? "_causal" : "",
      r.problem.return_lse ? "_lse" : "",
      r.bucket.seqlen_q,
      r.bucket.seqlen_kv,
      r.bucket.batch_heads,
      r.bucket.heads_per_kv,
      sha256_hex(model).substr(0, 8),
      r.complete ? "" : ".partial");
}

void write_record(const fs::path& directory, const TuningRecord& record) {
  make_directories(directory);
  const std::string json = to_json(record);
  write_file_atomically(directory / record_file_name(record), std::as_bytes(std::span(json)));
  if (!record.complete) return;
  TuningRecord partial = record;
  partial.complete = false;
  std::error_code ignored;  // what stays is found by no look-up
  fs::remove(directory / record_file_name(partial), ignored);
}

std::vector<TuningRecord> read_records(const fs::path& path,
                                       spdlog::logger& logger,
                                       Evidence evidence) {
  std::vector<TuningRecord> records;
  for (const fs::path& file : record_files(path)) {
    try {
      const std::string text = as_text(read_file(file, kMaxFileBytes));
      append(records, parse_records(text, file.string(), logger, evidence));
    } catch (const Error& error) {
      logger.warn("tuning record: {}; it is ignored", error.what());
    }
  }
  return records;
}

std::vector<TuningRecord> parse_records(const std::string& text,
                                        const std::string& name,
                                        spdlog::logger& logger,
                                        Evidence evidence) {
  try {
    return parse_tuning_records(evidence == Evidence::kAll ? text : without_candidates(text));
  } catch (const Error& error) {
    logger.warn("{}: {}; it is ignored", name, error.what());
    return {};
  }
}

std::vector<TuningRecord> embedded_records_of(const Problem& problem, spdlog::logger& logger) {
  const std::string needle = "\"problem\":" + to_json(problem);
  std::vector<TuningRecord> records;
  for (const EmbeddedFile& file : embedded_tuning_records()) {
    const std::string_view text = file.text;
    for (std::size_t at = 0; (at = text.find(needle, at)) != std::string_view::npos;) {
      const std::size_t begin = text.rfind('\n', at) + 1;
      const std::size_t end = std::min(text.find('\n', at), text.size());
      std::string line(text.substr(begin, end - begin));
      if (line.ends_with(',')) line.pop_back();
      append(records,
             parse_records(line, "embedded " + std::string(file.path), logger, Evidence::kNone));
      at = end;
    }
  }
  return records;
}

std::vector<TuningRecord> embedded_records(spdlog::logger& logger, Evidence evidence) {
  std::vector<TuningRecord> records;
  for (const EmbeddedFile& file : embedded_tuning_records()) {
    append(records,
           parse_records(
               std::string(file.text), "embedded " + std::string(file.path), logger, evidence));
  }
  return records;
}

}  // namespace flashjit
