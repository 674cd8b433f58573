// `flashjit preload`: makes this machine ready for a workload: every variant compiled or found, and
// loaded once.
#include <fmt/format.h>

#include <memory>

#include "cli/program.h"
#include "workload.h"

namespace flashjit::cli {
namespace {

struct PreloadOptions {
  std::string workload, backend = "cuda";
  int device = 0;
};

int run_preload(const PreloadOptions& options, Report& report) {
  const std::vector<WorkloadProblem> workload = read_workload(options.workload);
  Runtime runtime(Options{.backend = options.backend == "cpu" ? Backend::kCpu : Backend::kCuda,
                          .device = options.device});
  Table table({{"line", "line"},
               {"variant", "variant"},
               {"origin", "origin"},
               {"compile_ms", "compile ms", 0},
               {"load_ms", "load ms", 2},
               {"selected_by", "selected by"}});
  for (const WorkloadProblem& item : workload) {
    report.progress(fmt::format("{} of {} problems …", table.size() + 1, workload.size()));
    const VariantInfo info = runtime.prepare(workload_args(item.problem, item.shape));
    table.row({item.line,
               info.name,
               to_string(info.origin),
               info.compile_ms,
               info.load_ms,
               info.selected_by});
  }
  const Stats stats = runtime.stats();
  report.table("variants", "Ready on " + runtime.device().name, table);
  report.value("compiles", stats.compiles);
  report.value("bundle_hits", stats.bundle_hits);
  report.value("disk_hits", stats.disk_hits);
  report.note(fmt::format("{} compiled, {} from bundles, {} from the cache.",
                          stats.compiles,
                          stats.bundle_hits,
                          stats.disk_hits));
  return kExitOk;
}

}  // namespace

void add_preload(Program& program) {
  auto options = std::make_shared<PreloadOptions>();
  CLI::App& command =
      add_command(program,
                  "preload",
                  "Compile or find, and load, every variant of a workload on this device",
                  [options](Report& report) { return run_preload(*options, report); });
  command.add_option("WORKLOAD", options->workload, "File with a problem per line")->required();
  command.add_option("--device", options->device, "CUDA device")->check(CLI::NonNegativeNumber);
  command.add_option("--backend", options->backend, "cuda or cpu")
      ->check(CLI::IsMember({"cuda", "cpu"}));
}

}  // namespace flashjit::cli
