// `flashjit tune --export`: the records of a directory as one file, the form in which
// autotune/records/ carries them.
#include <fmt/format.h>

#include <algorithm>

#include "autotune/evidence.h"
#include "cli/result_file.h"
#include "cli/tune.h"
#include "flashjit/error.h"
#include "log.h"
#include "tuning_record_files.h"

namespace flashjit::cli {

void tune_export(const std::string& file, const std::filesystem::path& from, Report& report) {
  const auto logger = make_logger({}, read_settings());
  std::vector<TuningRecord> records = read_records(from, *logger);
  std::erase_if(records, [](const TuningRecord& r) { return !r.complete; });
  if (records.empty())
    throw Error(ErrorCode::kData, from.string() + " holds no complete tuning record");
  // All rows stay where they were measured.
  std::transform(records.begin(), records.end(), records.begin(), abridged);
  const std::string json = to_json(records);
  write_output_file(file, json);
  report.value("exported", records.size());
  report.note(fmt::format("{} records written to {}.", records.size(), file));
}

}  // namespace flashjit::cli
