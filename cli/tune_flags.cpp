// The options of `flashjit tune`, and which of them do not go together.
#include "cli/option_checks.h"
#include "cli/tune.h"

namespace flashjit::cli {
namespace {

const OptionNames kSets = {"--workload", "--preset", "--grid"};
// Of a search that measures; --out is also where --export reads.
const OptionNames kSearch = {
    "--seconds", "--again", "--isolate", "--exhaustive", "--threads", "--shortlist", "--family"};

// Given with another one that would silently ignore them, they are wrong usage.
void exclude_what_would_be_ignored(CLI::App& command) {
  // The flags of one problem, beside a set of problems or beside records.
  exclude(command, kProblemOptions, kSets);
  exclude(command, kProblemOptions, {"--export", "--compare"});
  exclude(command, {"--dtype"}, {"--workload", "--compare"});
  exclude(command, {"--compare"}, kSets);
  exclude(command, {"--compare"}, kSearch);
  exclude(command, {"--compare"}, {"--export", "--report", "--out"});
  // A dry run measures and writes nothing.
  exclude(command,
          {"--dry-run"},
          {"--export",
           "--compare",
           "--report",
           "--out",
           "--again",
           "--isolate",
           "--seconds",
           "--exhaustive",
           "--threads",
           "--device"});
  for (const char* name : {"--arch", "--limit"})
    command.get_option(name)->needs(command.get_option("--dry-run"));
  // Without a set of problems to tune first, --export only reads.
  command.parse_complete_callback([&command] {
    if (!has_any(command, {"--export"}) || has_any(command, kSets)) return;
    const std::string mode = "--export of what there is (without --grid, --preset, --workload)";
    refuse(command, kSearch, mode);
    refuse(command, {"--report", "--dtype", "--device"}, mode);
  });
}

}  // namespace

void add_tune_flags(CLI::App& command, TuneOptions& options) {
  options.problem.add_to(command);
  command.add_option("--workload", options.workload, "File with a problem per line");
  command
      .add_option("--preset", options.preset, "llm, vit, decode, or sample: six points of the grid")
      ->check(CLI::IsMember({"llm", "vit", "decode", "sample"}));
  command.add_flag("--grid", options.grid, "The 36 points of `flashjit bench --grid`");
  command.add_option("--family", options.family, "Whose tilings; default: the heuristic's choice")
      ->check(CLI::IsMember({"standard", "simt", "sm80", "sm90"}));
  command.add_option("--device", options.devices, "CUDA devices; default: all")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber);
  command.add_option("--seconds", options.seconds, "For everything; default: 15 for each problem")
      ->check(positive());
  command.add_option("--out", options.directory, "Where records go; default: the cache directory");
  command.add_flag("--again", options.again, "Measure anew also what has an exact record");
  command.add_flag("--isolate",
                   options.isolate,
                   "Candidates in a worker process: one that crashes costs itself alone");
  command.add_option("--shortlist", options.shortlist, "Candidates of the first round")
      ->check(CLI::Range(1, 100000));
  command.add_flag(
      "--exhaustive",
      options.exhaustive,
      "The whole space, best estimates first, until time is up; the same command goes on");
  command.add_option("--threads", options.threads, "Compiles at once; default: one per core")
      ->check(CLI::Range(1, 1024));
  command.add_flag("--dry-run", options.dry_run, "Print the search space; needs no GPU");
  command.add_option("--arch", options.arch, "Of --dry-run; default: this device, else sm_90a");
  command
      .add_option("--limit",
                  options.limit,
                  "Rows of --dry-run for a problem, beside the default's; 0: all; default 10, or "
                  "none of several")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--export", options.export_file, "Write all records as one file");
  command.add_option("--report", options.report_file, "HTML page about what was tuned");
  command.add_option("--compare", options.compare, "Time the winners of two record sets in pairs")
      ->expected(2);
  exclude_what_would_be_ignored(command);
}

}  // namespace flashjit::cli
