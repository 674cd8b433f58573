// `flashjit build` and `flashjit export`: compiles the variants of a workload for any
// architectures, without a GPU, into the cache or into a bundle to ship.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "autotune/evidence.h"
#include "bundle.h"
#include "cli/interrupt.h"
#include "cli/program.h"
#include "cli/progress_bar.h"
#include "cli/toolchain.h"
#include "cli/variants.h"
#include "cli/workload_variants.h"
#include "preload.h"
#include "tuning_record_files.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

struct BuildOptions {
  BuildSet set;
  std::string directory, provenance;
  int threads = 0;
};

// The entries of what was built, by variant name and architecture.
class Entries {
 public:
  VariantInfo take(const CacheHit& hit, const KernelConfig& config) {
    VariantInfo info;
    info.name = hit.entry.variant;
    info.config = config;
    info.origin = hit.origin;
    info.compile_ms = hit.entry.binary.compile_ms;
    info.resources = hit.entry.binary.resources;
    const std::lock_guard lock(mutex_);
    entries_.emplace(hit.entry.key.hex, hit.entry);
    return info;
  }
  std::vector<CacheEntry> all() const {
    std::vector<CacheEntry> entries;
    for (const auto& [key, entry] : entries_) entries.push_back(entry);
    return entries;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, CacheEntry> entries_;  // by key
};

void show(const std::vector<PreloadedVariant>& variants, Report& report) {
  Table table({{"variant", "variant"},
               {"arch", "arch"},
               {"line", "line"},
               {"origin", "origin"},
               {"compile_ms", "compile ms", 0},
               {"error", ""}});
  for (const PreloadedVariant& built : variants) {
    const bool good = built.error.empty();
    table.row({built.info.name.empty() ? Json() : Json(built.info.name),
               arch_name(built.info.config.arch),
               built.problem > 0 ? Json(built.problem) : Json(),
               good ? Json(to_string(built.info.origin)) : Json("FAILED"),
               good ? Json(built.info.compile_ms) : Json(),
               built.error});
  }
  report.table("variants", "Variants", table);
  for (const PreloadedVariant& built : variants) {
    if (built.error.empty()) continue;
    const std::string line =
        built.problem > 0 ? fmt::format("line {}, ", built.problem) : std::string();
    report.line(fmt::format("  ✗ {}{}: {}", line, arch_name(built.info.config.arch), built.error),
                4);
  }
}

// Before minutes of compiling for the others.
void check_archs(const std::vector<std::string>& names, const NvrtcLibrary& nvrtc) {
  const std::vector<int>& known = nvrtc.supported_archs();
  for (const std::string& name : names) {
    const Arch arch = require_arch(name);
    if (std::find(known.begin(), known.end(), 10 * arch.major + arch.minor) != known.end())
      continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--arch {}: NVRTC {} ({}) compiles for sm_{} only; another release may "
                            "know it: set FLASHJIT_LIBNVRTC",
                            name,
                            nvrtc.build(),
                            nvrtc.path(),
                            fmt::join(known, ", sm_")));
  }
}

// The exit code; `entries` holds what was built.
int build(const BuildOptions& options, Entries& entries, Report& report) {
  if (options.set.workload.empty() && options.set.names.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "nothing to build: name variants, or a --workload");
  }
  Toolchain toolchain;
  const auto records = visible_build_records(toolchain.settings(), toolchain.sources());
  std::vector<PreloadedVariant> variants = needed_variants(options.set, records.get());
  check_archs(options.set.archs, toolchain.require_compiler().library());
  const InterruptWatch watch;
  const PreloadResult result = preload_variants(
      std::move(variants),
      {.threads = options.threads,
       .on_progress =
           [&](const PreloadProgress& progress) {
             show_progress(progress_bar(progress), report);
             return !watch.interrupted();
           }},
      [&](const PreloadedVariant& variant) {
        return entries.take(toolchain.get(variant.info.config), variant.info.config);
      });
  show(result.variants, report);
  if (result.cancelled) {
    report.note("Interrupted. What is compiled is in the cache; the next run goes on from there.");
    return watch.exit_code();
  }
  const bool good = std::all_of(result.variants.begin(), result.variants.end(), [](const auto& v) {
    return v.error.empty();
  });
  return good ? kExitOk : kExitFailure;
}

int run_build(const BuildOptions& options, Report& report) {
  Entries entries;
  return build(options, entries, report);
}

// The user's own records of these architectures; what the library carries goes with the library.
void add_records(const std::vector<std::string>& archs, BundleContents& contents) {
  const Settings settings = read_settings();
  if (!settings.cache_dir || settings.tune == TuneMode::kOff) return;
  spdlog::logger quiet("flashjit");  // build() warned of the bad ones
  for (const TuningRecord& record : read_records(*settings.cache_dir / kTuningDirectory, quiet)) {
    const bool wanted = std::any_of(archs.begin(), archs.end(), [&](const std::string& arch) {
      return require_arch(arch) == record.arch;
    });
    if (wanted && record.complete)
      contents.tuning[record_file_name(record)] = to_json(abridged(record));
  }
}

int run_export(const BuildOptions& options, Report& report) {
  check_export_target(options.directory);  // before minutes of compiling
  Entries entries;
  if (const int code = build(options, entries, report); code != kExitOk) {
    report.note("No bundle was written.");
    return code;
  }
  BundleContents contents;
  contents.provenance = options.provenance;
  contents.entries = entries.all();
  add_records(options.set.archs, contents);
  const BundleManifest manifest = export_bundle(options.directory, contents);
  const std::string digest = bundle_digest(options.directory);
  report.value("directory", options.directory);
  report.value("digest", digest);
  report.note(
      fmt::format("{}: {} entries, digest {}", options.directory, manifest.entries.size(), digest));
  return kExitOk;
}

void add_flags(CLI::App& command, BuildOptions& options) {
  command.add_option("--workload",
                     options.set.workload,
                     "File with a problem per line, as FLASHJIT_RECORD writes it");
  command.add_option("--arch", options.set.archs, "sm_80,sm_86,sm_89,sm_90a,…")
      ->delimiter(',')
      ->required();
  command
      .add_option("--sm-count",
                  options.set.sm_counts,
                  "SMs of the devices, where tilings depend on it: 132 (H100 SXM), 114 (PCIe), …; "
                  "default: the usual number")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  command
      .add_option("--threads",
                  options.threads,
                  "Compiles at once; default: what the cores and the free memory allow")
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
  build_command.add_option("VARIANT", options->set.names, "Variants by name, beside the workload");
  CLI::App& export_command = add_command(
      program, "export", "The same as a bundle: a directory to ship", [options](Report& report) {
        return run_export(*options, report);
      });
  add_flags(export_command, *options);
  export_command.add_option("DIR", options->directory, "Must not exist, or be empty")->required();
  export_command.add_option(
      "--variant", options->set.names, "A variant by name, beside the workload");
  export_command.add_option("--provenance",
                            options->provenance,
                            "What the manifest says of its origin: a commit, a build");
}

}  // namespace flashjit::cli
