// `flashjit report`: tuning records as a page for people, or with --json as data. Needs no GPU.
#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <sstream>

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

// The records that were named; else those of the cache directory; else those that the program
// carries.
std::vector<TuningRecord> find_records(const ReportOptions& options, const Settings& settings) {
  const auto logger = make_logger({}, settings);
  if (!options.records.empty()) {
    if (!std::filesystem::exists(options.records))
      throw Error(ErrorCode::kIo, options.records + " does not exist");
    return read_records(options.records, *logger);
  }
  std::vector<TuningRecord> records;
  if (settings.cache_dir) records = read_records(*settings.cache_dir / kTuningDirectory, *logger);
  return records.empty() ? embedded_records(*logger) : records;
}

std::string read_baseline(const std::string& path) {
  if (path.empty()) return embedded_baseline();
  if (path == "none") return "";
  std::ostringstream text;
  std::ifstream file(path);
  text << file.rdbuf();
  if (!file) throw Error(ErrorCode::kIo, path + " cannot be read");
  return text.str();
}

// What a terminal can show of it.
Table problem_table(const Json& data) {
  Table table({{"title", "problem"},
               {"default_tflops", "default", 0},
               {"winner_tflops", "tuned", 0},
               {"winner", "winner"}});
  for (const Json& problem : data.at("problems"))
    table.row({problem.at("title"),
               problem.at("default_tflops"),
               problem.at("winner_tflops"),
               problem.at("winner")});
  return table;
}

int run_report(const ReportOptions& options, Report& report) {
  if (options.out.empty() && !report.json())
    throw Error(ErrorCode::kInvalidArgument, "report: --out FILE or --json says where it goes");
  Toolchain toolchain;
  ReportInput input = {.records = find_records(options, toolchain.settings()),
                       .baseline = read_baseline(options.baseline),
                       .code_variants = options.code_variants};
  if (input.records.empty())
    throw Error(ErrorCode::kData,
                "there is no tuning record; `flashjit tune` makes them, --records names others");
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
