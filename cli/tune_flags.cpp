// Which options of `flashjit tune` do not go together.
#include "cli/tune.h"

namespace flashjit::cli {
namespace {

using Names = std::vector<const char*>;

void exclude(CLI::App& command, const Names& names, const Names& others) {
  for (const char* name : names)
    for (const char* other : others) command.get_option(name)->excludes(command.get_option(other));
}

}  // namespace

void exclude_what_would_be_ignored(CLI::App& command) {
  // The flags of one problem, beside a set of problems or beside records.
  exclude(command,
          {"--batch", "--heads", "--kv-heads", "--seqlen", "--seqlen-kv", "--head-dim", "--causal"},
          {"--workload", "--preset", "--grid", "--export", "--compare"});
  exclude(command, {"--dtype"}, {"--workload", "--compare"});
  exclude(command, {"--compare"}, {"--workload", "--preset", "--grid", "--export", "--report"});
  // A dry run measures and writes nothing.
  exclude(command,
          {"--dry-run"},
          {"--export", "--compare", "--report", "--out", "--again", "--isolate", "--seconds"});
  for (const char* name : {"--arch", "--limit"})
    command.get_option(name)->needs(command.get_option("--dry-run"));
}

}  // namespace flashjit::cli
