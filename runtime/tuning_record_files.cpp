#include "tuning_record_files.h"

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <algorithm>

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
      "{}_d{}{}{}{}_q{}_kv{}_bh{}_g{}_{}.json",
      to_string(r.problem.dtype),
      r.problem.head_dim_qk,
      r.problem.head_dim_v == r.problem.head_dim_qk ? "" : fmt::format("v{}", r.problem.head_dim_v),
      r.problem.mask == MaskKind::kCausal ? "_causal" : "",
      r.problem.return_lse ? "_lse" : "",
      r.bucket.seqlen_q,
      r.bucket.seqlen_kv,
      r.bucket.batch_heads,
      r.bucket.heads_per_kv,
      sha256_hex(model).substr(0, 8));
}

void write_record(const fs::path& directory, const TuningRecord& record) {
  make_directories(directory);
  const std::string json = to_json(record);
  write_file_atomically(directory / record_file_name(record), std::as_bytes(std::span(json)));
}

std::vector<TuningRecord> read_records(const fs::path& path, spdlog::logger& logger) {
  std::vector<TuningRecord> records;
  for (const fs::path& file : record_files(path)) {
    try {
      const std::string text = as_text(read_file(file, kMaxFileBytes));
      append(records, parse_records(text, file.string(), logger));
    } catch (const Error& error) {
      logger.warn("tuning record: {}; it is ignored", error.what());
    }
  }
  return records;
}

std::vector<TuningRecord> parse_records(const std::string& text,
                                        const std::string& name,
                                        spdlog::logger& logger) {
  try {
    return parse_tuning_records(text);
  } catch (const Error& error) {
    logger.warn("{}: {}; it is ignored", name, error.what());
    return {};
  }
}

std::vector<TuningRecord> embedded_records(spdlog::logger& logger) {
  std::vector<TuningRecord> records;
  for (const EmbeddedFile& file : embedded_tuning_records()) {
    append(records,
           parse_records(std::string(file.text), "embedded " + std::string(file.path), logger));
  }
  return records;
}

}  // namespace flashjit
