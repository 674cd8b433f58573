// `flashjit build` and `flashjit export`: compiles the variants of a workload for any
// architectures, without a GPU, into the cache or into a bundle to ship.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "bundle.h"
#include "cli/program.h"
#include "cli/toolchain.h"
#include "cli/variants.h"
#include "select.h"
#include "variant_name.h"
#include "workload.h"

namespace flashjit::cli {
namespace {

struct BuildOptions {
  std::string workload, directory, provenance;
  std::vector<std::string> archs;
  int threads = 0;
};

// One variant of the set, and what became of it.
struct Built {
  KernelConfig config;
  std::optional<CacheHit> hit;
  std::string error;
};

// What a runtime would choose on a device of each architecture, each variant once, in order of
// first need.
std::vector<Built> needed_variants(const BuildOptions& options) {
  std::vector<Built> needed;
  for (const std::string& name : options.archs) {
    DeviceInfo device;
    device.arch = require_arch(name);
    device.sm_count = usual_sm_count(device.arch);
    for (const WorkloadProblem& item : read_workload(options.workload)) {
      const KernelConfig config =
          select(item.problem, item.shape, device, std::nullopt, std::nullopt).config;
      const bool known = std::any_of(
          needed.begin(), needed.end(), [&](const Built& built) { return built.config == config; });
      if (!known) needed.push_back({config, std::nullopt, ""});
    }
  }
  return needed;
}

void build_all(std::vector<Built>& variants, Toolchain& toolchain, int threads, Report& report) {
  std::atomic<std::size_t> next = 0, done = 0;
  std::mutex progress;
  const auto work = [&] {
    for (std::size_t i = next++; i < variants.size(); i = next++) {
      try {
        variants[i].hit = toolchain.get(variants[i].config);
      } catch (const Error& error) {
        variants[i].error = error.what();
      }
      const std::lock_guard lock(progress);
      report.progress(fmt::format("{} of {} variants …", ++done, variants.size()));
    }
  };
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::jthread> workers(
      std::min<std::size_t>(threads > 0 ? static_cast<unsigned>(threads) : cores, variants.size()));
  for (std::jthread& worker : workers) worker = std::jthread(work);
}

// The variants of the workload, compiled or found; throws Error(kCompileFailed) after showing all
// when one failed.
std::vector<Built> build(const BuildOptions& options, Report& report) {
  Toolchain toolchain;
  toolchain.require_compiler();
  std::vector<Built> variants = needed_variants(options);
  build_all(variants, toolchain, options.threads, report);
  Table table({{"variant", "variant"},
               {"arch", "arch"},
               {"origin", "origin"},
               {"compile_ms", "compile ms", 0},
               {"bytes", "bytes"},
               {"error", ""}});
  std::string first_error;
  for (const Built& built : variants) {
    if (first_error.empty()) first_error = built.error;
    table.row({variant_name(built.config),
               arch_name(built.config.arch),
               built.hit ? Json(to_string(built.hit->origin)) : Json("FAILED"),
               built.hit ? Json(built.hit->entry.binary.compile_ms) : Json(),
               built.hit ? Json(built.hit->entry.binary.code.size()) : Json(),
               built.error});
  }
  report.table("variants", fmt::format("Variants of {}", options.workload), table);
  if (!first_error.empty()) throw Error(ErrorCode::kCompileFailed, first_error);
  return variants;
}

int run_build(const BuildOptions& options, Report& report) {
  build(options, report);
  return kExitOk;
}

int run_export(const BuildOptions& options, Report& report) {
  BundleContents contents;
  contents.provenance = options.provenance;
  for (Built& built : build(options, report))
    contents.entries.push_back(std::move(built.hit->entry));
  const BundleManifest manifest = export_bundle(options.directory, contents);
  const std::string digest = bundle_digest(options.directory);
  report.value("directory", options.directory);
  report.value("digest", digest);
  report.note(
      fmt::format("{}: {} entries, digest {}", options.directory, manifest.entries.size(), digest));
  return kExitOk;
}

void add_flags(CLI::App& command, BuildOptions& options) {
  command
      .add_option("--workload",
                  options.workload,
                  "File with a problem per line, as FLASHJIT_RECORD writes it")
      ->required();
  command.add_option("--arch", options.archs, "sm_80,sm_86,sm_89,sm_90a,…")
      ->delimiter(',')
      ->required();
  command.add_option("--threads", options.threads, "Compiles at once; default: one per core")
      ->check(CLI::Range(1, 1024));
}

}  // namespace

void add_build(Program& program) {
  auto options = std::make_shared<BuildOptions>();
  CLI::App& build_command =
      add_command(program,
                  "build",
                  "Compile the variants of a workload into the cache, without a GPU",
                  [options](Report& report) { return run_build(*options, report); });
  add_flags(build_command, *options);
  CLI::App& export_command = add_command(
      program, "export", "The same as a bundle: a directory to ship", [options](Report& report) {
        return run_export(*options, report);
      });
  add_flags(export_command, *options);
  export_command.add_option("DIR", options->directory, "Must not exist, or be empty")->required();
  export_command.add_option("--provenance",
                            options->provenance,
                            "What the manifest says of its origin: a commit, a build");
}

}  // namespace flashjit::cli
