// The files that `flashjit tune` leaves beside its records: --export, the records of a directory as
// one file, the form in which autotune/records/ carries them, and the page of --report.
#include <fmt/format.h>

#include <algorithm>

#include "autotune/evidence.h"
#include "cli/report_page.h"
#include "cli/result_file.h"
#include "cli/toolchain.h"
#include "cli/tune.h"
#include "log.h"
#include "tuning_record_files.h"

namespace flashjit::cli {
namespace {

// Returns whether there was something to write.
bool write_page(const std::string& file,
                const std::vector<TuningOutcome>& outcomes,
                Report& report) {
  std::vector<TuningRecord> records;
  for (const TuningOutcome& outcome : outcomes) {
    if (has_record(outcome)) records.push_back(outcome.record);
  }
  if (records.empty()) return false;
  Toolchain toolchain;
  write_report_page(file, std::move(records), toolchain, report);
  return true;
}

}  // namespace

bool tune_export(const std::string& file, const std::filesystem::path& from, Report& report) {
  const auto logger = make_logger({}, read_settings());
  std::vector<TuningRecord> records = read_records(from, *logger);
  std::erase_if(records, [](const TuningRecord& r) { return !r.complete; });
  if (records.empty()) return false;
  // All rows stay where they were measured.
  std::transform(records.begin(), records.end(), records.begin(), abridged);
  const std::string json = to_json(records);
  write_output_file(file, json);
  report.value("exported", records.size());
  report.note(fmt::format("{} records written to {}.", records.size(), file));
  return true;
}

void write_tuning_files(const TuneOptions& options,
                        const std::filesystem::path& directory,
                        const std::vector<TuningOutcome>& outcomes,
                        Report& report) {
  const std::string& exported = options.export_file;
  // A problem may have its record elsewhere: in the library, or in a bundle.
  if (!exported.empty() && !tune_export(exported, directory, report))
    report.note(fmt::format(
        "{} holds no complete tuning record, so {} is not written.", directory.string(), exported));
  const std::string& page = options.report_file;
  if (!page.empty() && !write_page(page, outcomes, report))
    report.note(fmt::format("There is no record yet, so {} is not written.", page));
}

}  // namespace flashjit::cli
