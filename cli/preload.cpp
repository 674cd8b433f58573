// `flashjit preload`: makes this machine ready for a workload: every variant compiled or found, and
// loaded once.
#include <fmt/format.h>

#include <memory>

#include "cli/interrupt.h"
#include "cli/program.h"
#include "cli/progress_bar.h"
#include "flashjit/runtime.h"
#include "workload.h"

namespace flashjit::cli {
namespace {

struct PreloadCommand {
  std::string workload, backend = "cuda";
  int device = 0, threads = 0;
};

void show_variants(const Runtime& runtime, const PreloadResult& result, Report& report) {
  Table table({{"line", "line"},
               {"variant", "variant"},
               {"origin", "origin"},
               {"compile_ms", "compile ms", 0},
               {"load_ms", "load ms", 2},
               {"selected_by", "selected by"},
               {"error", ""}});
  for (const PreloadedVariant& variant : result.variants) {
    const bool good = variant.error.empty();
    table.row({variant.problem,
               variant.info.name.empty() ? Json() : Json(variant.info.name),
               good ? Json(to_string(variant.info.origin)) : Json("FAILED"),
               good ? Json(variant.info.compile_ms) : Json(),
               good ? Json(variant.info.load_ms) : Json(),
               variant.info.selected_by,
               variant.error});
  }
  report.table("variants", "Ready on " + runtime.device().name, table);
  for (const PreloadedVariant& variant : result.variants) {
    if (!variant.error.empty())
      report.line(fmt::format("  ✗ line {}: {}", variant.problem, variant.error), 4);
  }
}

int run_preload(const PreloadCommand& command, Report& report) {
  read_workload(command.workload);  // what is wrong with the file, before a device is opened
  Runtime runtime(Options{.backend = command.backend == "cpu" ? Backend::kCpu : Backend::kCuda,
                          .device = command.device});
  const InterruptWatch watch;
  const PreloadResult result = runtime.preload(
      std::filesystem::path(command.workload),
      {.threads = command.threads, .on_progress = [&](const PreloadProgress& progress) {
         show_progress(progress_bar(progress), report);
         return !watch.interrupted();
       }});
  show_variants(runtime, result, report);
  const Stats stats = runtime.stats();
  std::size_t failed = 0;
  for (const PreloadedVariant& variant : result.variants) failed += variant.error.empty() ? 0 : 1;
  report.value("compiles", stats.compiles);
  report.value("bundle_hits", stats.bundle_hits);
  report.value("disk_hits", stats.disk_hits);
  report.value("corrupt_entries", stats.corrupt_entries);
  report.value("failed", failed);
  report.value("cancelled", result.cancelled);
  report.note(fmt::format("{} compiled, {} from bundles, {} from the cache, {} failed.",
                          stats.compiles,
                          stats.bundle_hits,
                          stats.disk_hits,
                          failed));
  if (result.cancelled) {
    report.note(
        "Interrupted. What is compiled is in the cache; the next preload goes on from there.");
    return watch.exit_code();
  }
  return failed == 0 ? kExitOk : kExitFailure;
}

}  // namespace

void add_preload(Program& program) {
  auto options = std::make_shared<PreloadCommand>();
  CLI::App& command =
      add_command(program,
                  "preload",
                  "Compile or find, and load, every variant of a workload on this device",
                  [options](Report& report) { return run_preload(*options, report); });
  command.add_option("WORKLOAD", options->workload, "File with a problem per line")->required();
  command.add_option("--device", options->device, "CUDA device")->check(CLI::NonNegativeNumber);
  command
      .add_option("--threads",
                  options->threads,
                  "Compiles at once; default: what the cores and the free memory allow")
      ->check(CLI::Range(1, 1024));
  command.add_option("--backend", options->backend, "cuda or cpu")
      ->check(CLI::IsMember({"cuda", "cpu"}));
}

}  // namespace flashjit::cli
