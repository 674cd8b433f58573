// `flashjit verify`, `import` and `diff`: bundles as a deployment sees them. `export` stands in
// build.cpp.
#include "bundle.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "cli/bundle_load.h"
#include "cli/program.h"
#include "settings.h"
#include "tuning_record_files.h"

namespace flashjit::cli {
namespace {

struct BundleOptions {
  std::string directory, other;
  bool load = false;
  int device = 0;
};

int run_verify(const BundleOptions& options, Report& report) {
  const BundleManifest manifest = read_manifest(options.directory);
  std::vector<std::string> findings = verify_bundle(options.directory);
  report.facts(
      "bundle",
      options.directory,
      {{"digest", "digest", bundle_digest(options.directory), bundle_digest(options.directory)},
       {"entries", "entries", fmt::to_string(manifest.entries.size()), manifest.entries.size()},
       {"archs",
        "architectures",
        fmt::format("{}", fmt::join(manifest.archs, ", ")),
        manifest.archs},
       {"compilers",
        "compilers",
        fmt::format("{}", fmt::join(manifest.compilers, ", ")),
        manifest.compilers},
       {"minimum_driver",
        "driver at least",
        fmt::format(
            "CUDA {}.{}", manifest.minimum_driver / 1000, manifest.minimum_driver % 1000 / 10),
        manifest.minimum_driver},
       {"provenance", "provenance", manifest.provenance, manifest.provenance}});
  if (options.load && findings.empty()) {
    BundleLoad load = load_bundle(options.directory, manifest, read_settings(), options.device);
    report.facts("load",
                 "",
                 {{"device", "device", load.device, load.device},
                  {"loaded", "loaded", fmt::to_string(load.loaded), load.loaded},
                  {"other_devices",
                   "for other devices",
                   fmt::to_string(load.other_devices),
                   load.other_devices}});
    findings = std::move(load.findings);
  }
  report.value("findings", findings);
  for (const std::string& finding : findings) report.line("  ✗ " + finding, 4);
  report.note(findings.empty() ? "Intact."
                               : fmt::format("{} findings: do not ship it.", findings.size()));
  return findings.empty() ? kExitOk : kExitData;
}

int run_import(const BundleOptions& options, Report& report) {
  const Settings settings = read_settings();
  if (!settings.cache_dir) {
    throw Error(ErrorCode::kInvalidArgument,
                "there is no cache directory to import into; set FLASHJIT_CACHE_DIR");
  }
  const CacheDirectory cache(*settings.cache_dir, settings.cache_group_shared);
  const BundleImport result =
      import_bundle(options.directory, cache, *settings.cache_dir / kTuningDirectory);
  report.value("added", result.added);
  report.value("already_there", result.already_there);
  report.note(fmt::format("{} entries added to {}, {} were there.",
                          result.added,
                          settings.cache_dir->string(),
                          result.already_there));
  return kExitOk;
}

int run_diff(const BundleOptions& options, Report& report) {
  const BundleManifest before = read_manifest(options.directory);
  const BundleManifest after = read_manifest(options.other);
  const BundleDiff diff = diff_bundles(before, after);
  Table table({{"change", "change"}, {"variant", "variant"}, {"arch", "arch"}, {"path", ""}});
  const auto add = [&](const char* change,
                       const BundleManifest& manifest,
                       const std::string& path) {
    const auto entry = std::find_if(manifest.entries.begin(),
                                    manifest.entries.end(),
                                    [&](const BundleEntry& e) { return e.file.path == path; });
    const bool tuning = entry == manifest.entries.end();
    table.row({change, tuning ? path : entry->variant, tuning ? Json() : Json(entry->arch), path});
  };
  for (const std::string& path : diff.added) add("added", after, path);
  for (const std::string& path : diff.removed) add("removed", before, path);
  for (const std::string& path : diff.changed) add("changed", after, path);
  report.table("changes", fmt::format("From {} to {}", options.directory, options.other), table);
  report.note(table.empty() ? "They are equal." : fmt::format("{} differences.", table.size()));
  return table.empty() ? kExitOk : kExitFailure;
}

}  // namespace

void add_bundle(Program& program) {
  auto options = std::make_shared<BundleOptions>();
  const auto add =
      [&](const char* name, const char* description, int (*run)(const BundleOptions&, Report&)) {
        CLI::App& command = add_command(program, name, description, [options, run](Report& report) {
          return run(*options, report);
        });
        command.add_option("DIR", options->directory, "A bundle")->required();
        return &command;
      };
  CLI::App& verify =
      *add("verify", "Check every file of a bundle against its manifest", run_verify);
  verify.add_flag("--load", options->load, "Then load every entry that is for this GPU");
  verify.add_option("--device", options->device, "CUDA device")->check(CLI::NonNegativeNumber);
  add("import", "Copy a bundle's entries into the cache", run_import);
  add("diff", "What differs between two bundles; exit code 1 if anything does", run_diff)
      ->add_option("OTHER", options->other, "Another bundle")
      ->required();
}

}  // namespace flashjit::cli
