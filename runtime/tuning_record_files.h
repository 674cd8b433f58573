// Tuning records as files: a directory holds one atomic JSON file per record, a collection many in
// one; the library carries a collection of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tuning_record.h"

namespace spdlog {
class logger;
}

namespace flashjit {

// Below the cache directory and below each bundle.
inline constexpr const char* kTuningDirectory = "tuning";

// "bf16_d128_causal_q4096_kv4096_bh64_g1_1f2e3d4c.json": one subject, one name; the digits are of
// arch and device model. An incomplete record ends in ".partial.json": it never takes the place of
// a complete one.
std::string record_file_name(const TuningRecord& record);

// Writes the record into the directory, which is made if need be, in the place of an older one of
// its subject; a complete one ends the incomplete one of its subject. Throws Error(kIo).
void write_record(const std::filesystem::path& directory, const TuningRecord& record);

// How much of a record is read. A look-up needs no candidates: they are most of the bytes, and
// would cost a first call milliseconds.
enum class Evidence : int { kAll = 0, kNone = 1 };

// Of a file, or of every *.json of a directory in the order of their names: records and collections
// alike. What cannot be read or is no record is a named miss: one warning, the others are read.
// Nothing where there is nothing.
std::vector<TuningRecord> read_records(const std::filesystem::path& path,
                                       spdlog::logger& logger,
                                       Evidence evidence = Evidence::kAll);

// The same of a text that was read from `name`.
std::vector<TuningRecord> parse_records(const std::string& text,
                                        const std::string& name,
                                        spdlog::logger& logger,
                                        Evidence evidence = Evidence::kAll);

// What the build embedded: autotune/records/*.json.
std::vector<TuningRecord> embedded_records(spdlog::logger& logger,
                                           Evidence evidence = Evidence::kAll);
// Of these the ones of one problem, without evidence. A new process looks them up before its first
// launch: only the lines that name the problem are read, since each record of an export is a line.
std::vector<TuningRecord> embedded_records_of(const Problem& problem, spdlog::logger& logger);

}  // namespace flashjit
