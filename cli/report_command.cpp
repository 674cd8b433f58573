// `flashjit report`: tuning records as a page for people, or with --json as data. Needs no GPU.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>

#include "cli/problem_sets.h"
#include "cli/program.h"
#include "cli/report_page.h"
#include "cli/result_file.h"
#include "tuning_record_files.h"

namespace flashjit::cli {
namespace {

struct ReportOptions {
  std::string records, out, baseline;
  int code_variants = ReportInput{}.code_variants;
};

std::string read_text(const std::string& path) {
  std::ostringstream text;
  std::ifstream file(path);
  text << file.rdbuf();
  if (!file) throw Error(ErrorCode::kIo, path + " does not exist or cannot be read");
  return text.str();
}

// A file that was named is what is asked for: what is wrong with it is the answer. Throws
// Error(kIo), Error(kData).
std::vector<TuningRecord> read_named_file(const std::string& path) {
  try {
    return parse_tuning_records(read_text(path));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kData) throw;
    throw Error(ErrorCode::kData, fmt::format("{}: {}", path, error.what()));
  }
}

// The records that were named; else those of the cache directory; else those that the program
// carries.
std::vector<TuningRecord> find_records(const ReportOptions& options, const Settings& settings) {
  const auto logger = make_logger({}, settings);
  if (!options.records.empty()) {
    if (std::filesystem::is_directory(options.records))
      return read_records(options.records, *logger);
    return read_named_file(options.records);
  }
  std::vector<TuningRecord> records;
  if (settings.cache_dir) records = read_records(*settings.cache_dir / kTuningDirectory, *logger);
  return records.empty() ? embedded_records(*logger) : records;
}

std::string read_baseline(const std::string& path) {
  if (path.empty()) return embedded_baseline();
  return path == "none" ? "" : read_text(path);
}

std::string note_of(const Json& problem) {
  if (!problem.at("complete")) return "incomplete";
  return problem.at("these_sources") ? "" : "other sources";
}

// What a terminal can show of it.
Table problem_table(const Json& data) {
  const Json& problems = data.at("problems");
  const bool any = std::any_of(
      problems.begin(), problems.end(), [](const Json& p) { return !note_of(p).empty(); });
  Table table({{"title", "problem"},
               {"default_tflops", "default", 0},
               {"winner_tflops", "tuned", 0},
               {"winner", "winner"},
               {"note", any ? "note" : ""}});
  for (const Json& problem : problems)
    table.row({problem.at("title"),
               problem.at("default_tflops"),
               problem.at("winner_tflops"),
               problem.at("winner"),
               note_of(problem)});
  return table;
}

int run_report(const ReportOptions& options, Report& report) {
  if (options.out.empty() && !report.json())
    throw Error(ErrorCode::kInvalidArgument, "report: --out FILE or --json says where it goes");
  if (!options.out.empty()) require_output_file(options.out);
  Toolchain toolchain;
  ReportInput input = {.records = find_records(options, toolchain.settings()),
                       .baseline = read_baseline(options.baseline),
                       .code_variants = options.code_variants};
  if (input.records.empty())
    throw Error(ErrorCode::kData,
                "there is no tuning record; `flashjit tune` makes them, --records names others");
  sort_by_problem(input.records);
  const Json data = report_data(input, toolchain, report);
  if (!options.out.empty()) write_output_file(options.out, report_page(data));
  if (report.json()) {
    for (const auto& [key, value] : data.items()) report.value(key, value);
    return kExitOk;
  }
  report.table("problems", "TFLOP/s", problem_table(data));
  report.note(fmt::format("The page is {}; it needs no network.", options.out));
  return kExitOk;
}

}  // namespace

void add_report(Program& program) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App& command = add_command(
      program,
      "report",
      "Tuning records as an HTML page: heat maps, roofline, resources, code of the winners",
      [options](Report& report) { return run_report(*options, report); });
  command.add_option("--out", options->out, "HTML page to write");
  command.add_option("--records",
                     options->records,
                     "A record, a collection or a directory of them; default: those in the cache "
                     "directory, else the ones that come with the program");
  command.add_option("--baseline",
                     options->baseline,
                     "What peers reach, as bench/baselines/h100.json, or none; default: that file");
  command.add_option("--code", options->code_variants, "How many winners are shown as code")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
}

}  // namespace flashjit::cli
