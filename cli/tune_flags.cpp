// Which options of `flashjit tune` do not go together.
#include "cli/option_checks.h"
#include "cli/tune.h"

namespace flashjit::cli {
namespace {

const OptionNames kSets = {"--workload", "--preset", "--grid"};
// Of a search that measures; --out is also where --export reads.
const OptionNames kSearch = {
    "--seconds", "--again", "--isolate", "--exhaustive", "--threads", "--shortlist", "--family"};

}  // namespace

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

}  // namespace flashjit::cli
