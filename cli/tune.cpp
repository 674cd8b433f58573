// `flashjit tune`: finds the fastest tiling of problems on the GPUs of this machine and writes
// tuning records, which forward() reads from then on.
#include "cli/tune.h"

#include <fmt/format.h>

#include <algorithm>

#include "autotune/record_directory.h"
#include "autotune/sm_clock.h"
#include "autotune/tuning_run.h"
#include "cli/interrupt.h"
#include "cli/problem_sets.h"
#include "cli/progress_bar.h"
#include "cli/result_file.h"
#include "cli/variants.h"
#include "tuned_tilings.h"
#include "tuning_record_files.h"
#include "variant_name.h"
#include "workload.h"

namespace flashjit::cli {
namespace {

namespace fs = std::filesystem;

// Where records go: --out, else the cache directory.
fs::path record_directory(const TuneOptions& options, const Settings& settings) {
  if (!options.directory.empty()) return options.directory;
  if (settings.cache_dir) return *settings.cache_dir / kTuningDirectory;
  throw Error(ErrorCode::kInvalidArgument,
              "there is no cache directory for the records; set FLASHJIT_CACHE_DIR, or give --out");
}

// What makes tuning unnecessary: the records of --out, or all that forward() would look at.
std::vector<TuningRecord> known_records(const TuneOptions& options,
                                        const Settings& settings,
                                        spdlog::logger& logger) {
  if (!options.directory.empty()) return read_records(options.directory, logger);
  return visible_records(settings, logger).all();
}

std::string progress_text(const RunProgress& p) {
  constexpr std::size_t kWidth = 12;
  return fmt::format("{} {} of {}, {}: {} {:.1f} µs, default {:.1f}",
                     bar(static_cast<std::size_t>(std::max(0, p.search.done)),
                         static_cast<std::size_t>(std::max(0, p.search.planned)),
                         kWidth),
                     p.begun,
                     p.problems,
                     short_text(*p.problem),
                     tiling_text(p.search.leader),
                     p.search.leader_us,
                     p.search.default_us);
}

std::string outcome_text(const TuningOutcome& outcome) {
  const TuningRecord& r = outcome.record;
  if (!has_record(outcome))
    return fmt::format(
        "  {}: {}: {}", short_text(outcome.problem), to_string(outcome.state), outcome.error);
  const KernelConfig config{r.problem, r.winner, r.arch};
  return fmt::format("  {}: {}, {:.1f} µs, default {:.1f} µs, {} of {} legal tried, {}{}",
                     short_text(outcome.problem),
                     tile_name(config),
                     r.winner_us,
                     r.default_us,
                     r.measured + r.failed,
                     r.legal,
                     to_string(outcome.state),
                     outcome.error.empty() ? "" : ": " + outcome.error);
}

Table outcome_table() {
  return Table({{"problem", "problem"},
                {"device", ""},
                {"variant", ""},
                {"tiling", "tiling"},
                {"winner_us", "µs", 1},
                {"default_us", "default µs", 1},
                {"gain", "gain", 3},
                {"candidates", "tried"},
                {"legal", "of legal"},
                {"failed", ""},
                {"rounds", ""},
                {"sm_clock_mhz", ""},
                {"seconds", "s", 1},
                {"state", "state"},
                {"error", ""}});
}

void add_row(Table& table, const TuningOutcome& outcome) {
  const TuningRecord& r = outcome.record;
  const bool known = has_record(outcome);
  const KernelConfig config{r.problem, r.winner, r.arch};
  const auto value = [known](auto v) { return known ? Json(v) : Json(); };
  // Older records do not say of how many they are.
  const auto counted = [&](int n) { return known && r.measured > 0 ? Json(n) : Json(); };
  table.row({short_text(outcome.problem),
             value(r.device.name),
             known ? Json(variant_name(config)) : Json(),
             known ? Json(tile_name(config)) : Json(),
             value(r.winner_us),
             value(r.default_us),
             value(r.winner_us > 0 ? r.default_us / r.winner_us : 1.0),
             counted(r.measured + r.failed),
             counted(r.legal),
             counted(r.failed),
             counted(r.rounds),
             value(r.sm_clock_mhz),
             outcome.seconds,
             to_string(outcome.state),
             outcome.error});
}

// The first Ctrl-C or SIGTERM ends the search and keeps what is known, the second the program.
RunOptions run_options(const TuneOptions& options,
                       const fs::path& directory,
                       const InterruptWatch& watch,
                       Report& report) {
  RunOptions run;
  run.tuner.shortlist = options.shortlist;
  run.tuner.exhaustive = options.exhaustive;
  run.family = parse_family(options.family);
  run.tuner.cancel = watch.flag();
  // A budget is shared by the problems; without one each gets its usual time.
  if (options.seconds > 0) run.tuner.seconds = options.seconds;
  run.seconds = options.seconds;
  run.again = options.again;
  run.directory = directory;
  run.compile_threads = options.threads;
  run.progress = [&report](const RunProgress& p) { report.progress(progress_text(p)); };
  run.on_outcome = [&report](const TuningOutcome& outcome) {
    if (outcome.state != TuningState::kPresent) report.line(outcome_text(outcome), 4);
  };
  return run;
}

bool is_complete(const TuningOutcome& outcome) {
  return outcome.state == TuningState::kTuned || outcome.state == TuningState::kPresent;
}

// Returns whether all of it was tuned.
bool report_outcomes(const TuneOptions& options,
                     const TuningDevice& device,
                     const fs::path& directory,
                     const std::vector<TuningOutcome>& outcomes,
                     Report& report) {
  Table table = outcome_table();
  for (const TuningOutcome& outcome : outcomes) add_row(table, outcome);
  report.value("device", device.info().name);
  report.value("driver", nvidia_driver_version());
  report.value("date", today());
  report.value("directory", directory.string());
  report.value("policy", device.policy());
  report.table("problems", "Tuned on " + device.info().name, table);
  write_tuning_files(options, directory, outcomes, report);
  const auto partly = std::count_if(outcomes.begin(), outcomes.end(), [](const TuningOutcome& o) {
    return o.state == TuningState::kTuned && !o.covered;
  });
  if (options.exhaustive && partly > 0)
    report.note(
        fmt::format("Not exhaustive at {} of {} problems: time ended before the space did; "
                    "the same command goes on{}.",
                    partly,
                    outcomes.size(),
                    options.again ? ", without --again" : ""));
  const bool complete = std::all_of(outcomes.begin(), outcomes.end(), is_complete);
  if (!complete) report.note("Not everything was tuned; the same command goes on from here.");
  return complete;
}

int run_tune(const TuneOptions& options, Report& report) {
  if (options.dry_run) return tune_dry_run(options, report);
  if (!options.compare.empty()) return tune_compare(options, report);
  const Settings settings = read_settings();
  const fs::path directory = record_directory(options, settings);
  const bool nothing_to_tune = !options.export_file.empty() && options.workload.empty() &&
                               options.preset.empty() && !options.grid;
  if (nothing_to_tune) {
    if (tune_export(options.export_file, directory, report)) return kExitOk;
    throw Error(ErrorCode::kData, directory.string() + " holds no complete tuning record");
  }
  const std::vector<TuningProblem> problems = tune_problems(options);
  const auto logger = make_logger({}, settings);
  for (const std::string& file : {options.export_file, options.report_file})
    if (!file.empty()) require_output_file(file);
  require_record_directory(directory);
  const auto devices = open_tuning_devices(options, settings);
  const InterruptWatch watch;
  const std::vector<TuningOutcome> outcomes =
      run_tuning(devices,
                 problems,
                 known_records(options, settings, *logger),
                 run_options(options, directory, watch, report));
  if (report_outcomes(options, *devices.front(), directory, outcomes, report)) return kExitOk;
  return watch.interrupted() ? watch.exit_code() : kExitFailure;
}

}  // namespace

std::vector<TuningProblem> tune_problems(const TuneOptions& options) {
  const int sources = !options.workload.empty() + !options.preset.empty() + options.grid;
  if (sources > 1)
    throw Error(ErrorCode::kInvalidArgument, "give one of --workload, --preset and --grid");
  std::vector<TuningProblem> problems;
  if (!options.workload.empty()) {
    for (const WorkloadProblem& item : read_workload(options.workload))
      problems.push_back({item.problem, item.shape});
    return problems;
  }
  const AttentionProblem one = options.problem.problem();
  std::vector<AttentionProblem> listed = {one};
  if (options.grid) listed = grid_problems(one.dtype);
  if (!options.preset.empty()) listed = preset_problems(options.preset, one.dtype);
  for (const AttentionProblem& problem : listed) problems.push_back(to_tuning_problem(problem));
  return problems;
}

void add_tune(Program& program) {
  auto options = std::make_shared<TuneOptions>();
  CLI::App& command = add_command(program,
                                  "tune",
                                  "Find the fastest tiling of problems on the GPUs of this machine",
                                  [options](Report& report) { return run_tune(*options, report); });
  add_tune_flags(command, *options);
}

}  // namespace flashjit::cli
