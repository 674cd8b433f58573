// `flashjit report`: tuning records as a page for people, or with --json as data. Needs no GPU.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>

#include "cli/problem_sets.h"
#include "cli/program.h"
#include "cli/report_devices.h"
#include "cli/report_page.h"
#include "cli/result_file.h"
#include "tuning_record_files.h"

namespace flashjit::cli {
namespace {

struct ReportOptions {
  std::string records, out, baseline, device_name;
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

std::vector<std::string> read_baselines(const std::string& path) {
  if (path.empty()) return shipped_baselines();
  if (path == "none") return {};
  return {read_text(path)};
}

// "hint" is what a look-up takes a record of other sources for.
std::string note_of(const Json& problem) {
  if (!problem.at("complete")) return "incomplete";
  return problem.at("these_sources") ? "" : "hint";
}

// "bf16 d64 full, S 512, B 32, H 32"
std::string plain_title(std::string title) {
  const std::string_view dot = " ·";
  for (std::size_t at = title.find(dot); at != std::string::npos; at = title.find(dot))
    title.replace(at, dot.size(), ",");
  return title;
}

// "sm90 m128n96s2 static", or without its family: words, between which a line may be broken.
std::string words_of(std::string tiling, bool with_family) {
  std::replace(tiling.begin(), tiling.end(), '_', ' ');
  return with_family ? tiling : tiling.substr(tiling.find(' ') + 1);
}

std::string family_of(const Json& problem) {
  const std::string tiling = problem.at("winner_tiling");
  return tiling.substr(0, tiling.find(' '));
}

// What a terminal can show of a device's problems. What is true of all of them stands in the title.
void print_device(const Json& data, const std::string& device, Report& report) {
  Json problems = Json::array();
  for (const Json& problem : data.at("problems"))
    if (problem.at("device") == device) problems.push_back(problem);
  const auto count = [&problems](const std::string& note) {
    return std::count_if(
        problems.begin(), problems.end(), [&](const Json& p) { return note_of(p) == note; });
  };
  const auto size = std::ssize(problems);
  const bool all_hints = count("hint") == size, notes = !all_hints && count("") < size;
  const std::string family = family_of(problems.at(0));
  const bool one_family = std::all_of(
      problems.begin(), problems.end(), [&](const Json& p) { return family_of(p) == family; });
  Table table({{"title", "problem"},
               {"default_tflops", "default", 0},
               {"winner_tflops", "tuned", 0},
               {"note", notes ? "note" : ""},
               {"winner_tiling", one_family ? "winner, " + family : "winner"}});
  for (const Json& problem : problems)
    table.row({plain_title(problem.at("title")),
               problem.at("default_tflops"),
               problem.at("winner_tflops"),
               note_of(problem),
               words_of(problem.at("winner_tiling"), !one_family)});
  report.table(
      "problems",
      fmt::format("{}, TFLOP/s{}",
                  device,
                  all_hints ? "; measured with other kernel sources than this program's" : ""),
      table);
  if (notes && count("hint") > 0)
    report.line("hint: measured with other kernel sources; a look-up takes it as a hint only");
}

// The one that the page shows first comes first.
void print_devices(const Json& data, Report& report) {
  const std::string first = data.at("device");
  print_device(data, first, report);
  for (const Json& device : data.at("devices"))
    if (device.at("name") != first) print_device(data, device.at("name"), report);
}

int run_report(const ReportOptions& options, Report& report) {
  if (options.out.empty() && !report.json())
    throw Error(ErrorCode::kInvalidArgument, "report: --out FILE or --json says where it goes");
  if (!options.out.empty()) require_output_file(options.out);
  Toolchain toolchain;
  ReportInput input = {.records = find_records(options, toolchain.settings()),
                       .baselines = read_baselines(options.baseline),
                       .code_variants = options.code_variants,
                       .here = devices_here(toolchain.settings())};
  if (input.records.empty())
    throw Error(ErrorCode::kData,
                "there is no tuning record; `flashjit tune` makes them, --records names others");
  if (!options.device_name.empty())
    input.records = records_of_device(input.records, options.device_name);
  sort_by_problem(input.records);
  const Json data = report_data(input, toolchain, report);
  if (!options.out.empty()) write_output_file(options.out, report_page(data));
  if (report.json()) {
    for (const auto& [key, value] : data.items()) report.value(key, value);
    return kExitOk;
  }
  print_devices(data, report);
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
  command.add_option("--device-name",
                     options->device_name,
                     "Only records of GPUs whose name contains this, in any case; h200, say");
  command.add_option("--baseline",
                     options->baseline,
                     "What peers reach, as bench/baselines/h100.json or a result of "
                     "bench/compare_torch.py, or none; default: those of an H100 and an H200");
  command
      .add_option(
          "--code", options->code_variants, "How many winners of each GPU are shown as code")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
}

}  // namespace flashjit::cli
