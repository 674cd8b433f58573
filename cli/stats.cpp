// `flashjit stats`: what each layer below memory holds and, for a workload, who would answer it:
// how ready this machine is, without compiling or loading anything.
#include <fmt/format.h>

#include <memory>

#include "bundle.h"
#include "cache_maintenance.h"
#include "cli/program.h"
#include "cli/toolchain.h"
#include "cli/workload_variants.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

struct StatsOptions {
  BuildSet set;
};

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

Table layer_table() {
  return Table({{"layer", "layer"},
                {"entries", "entries"},
                {"bad", "bad"},
                {"bytes", ""},
                {"mib", "MiB", 1},
                {"compile_ms", ""},
                {"compile_s", "saves s", 1},
                {"place", "place"}});
}

void add_layer(const std::string& layer, const CacheSummary& summary, Table& table) {
  const bool bundle = layer == "bundle";
  table.row({layer,
             summary.entries,
             summary.bad_entries,
             summary.bytes,
             mib(summary.bytes),
             bundle ? Json() : Json(summary.compile_ms),  // bundles do not say
             bundle ? Json() : Json(summary.compile_ms / 1000),
             summary.directory.string()});
}

// A bundle in the terms of the cache; its manifest is not asked, as a look-up does not ask it.
CacheSummary summarize_bundle(const std::filesystem::path& bundle) {
  CacheSummary summary;
  summary.directory = bundle;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(bundle / "entries", error)) {
    std::string why;
    std::optional<CacheEntry> entry;
    try {
      const std::vector<std::byte> bytes = read_file(file.path(), kMaxEntryBytes);
      summary.bytes += bytes.size();
      entry = decode_entry(bytes, why);
    } catch (const Error&) {
    }
    ++(entry ? summary.entries : summary.bad_entries);
  }
  return summary;
}

void show_layers(const Settings& settings, Report& report) {
  Table table = layer_table();
  for (const std::filesystem::path& bundle : settings.bundles) {
    add_layer("bundle", summarize_bundle(bundle), table);
  }
  if (settings.cache_dir) add_layer("disk cache", summarize_cache(settings), table);
  report.table("layers", "Layers, in the order of the search", table);
  if (table.empty()) report.note("No bundle and no cache directory: variants stay in memory.");
}

// Who has the variants; returns how many nobody has.
std::size_t show_readiness(const StatsOptions& options, Toolchain& toolchain, Report& report) {
  Table table({{"variant", "variant"}, {"arch", "arch"}, {"line", "line"}, {"origin", "origin"}});
  Stats stats;
  std::string missing;
  const auto records = visible_build_records(toolchain.settings(), toolchain.sources());
  for (const PreloadedVariant& variant : needed_variants(options.set, records.get())) {
    const std::string arch = arch_name(variant.info.config.arch);
    std::optional<CacheHit> hit;
    if (variant.error.empty()) hit = toolchain.find(variant.info.config);
    stats.bundle_hits += hit && hit->origin == VariantOrigin::kBundle ? 1 : 0;
    stats.disk_hits += hit && hit->origin == VariantOrigin::kDiskCache ? 1 : 0;
    if (hit) stats.compile_ms += hit->entry.binary.compile_ms;
    if (!hit) ++stats.misses;
    if (!hit && variant.error.empty() && missing.empty()) {
      missing = fmt::format("flashjit build {} --arch {}", variant.info.name, arch);
    }
    table.row({variant.info.name.empty() ? Json("none: " + variant.error) : Json(variant.info.name),
               arch,
               variant.problem,
               hit ? to_string(hit->origin) : "MISSING"});
  }
  report.table("variants", "Who has the variants of " + options.set.workload, table);
  report.facts(
      "stats",
      "",
      {{"bundle_hits", "from bundles", fmt::to_string(stats.bundle_hits), stats.bundle_hits},
       {"disk_hits", "from the cache", fmt::to_string(stats.disk_hits), stats.disk_hits},
       {"misses", "missing", fmt::to_string(stats.misses), stats.misses},
       {"corrupt_entries",
        "corrupt entries met",
        fmt::to_string(toolchain.cache().corrupt_entries()),
        toolchain.cache().corrupt_entries()},
       {"compile_ms",
        "compiling the cache saves",
        fmt::format("{:.1f} s", stats.compile_ms / 1000),
        stats.compile_ms}});
  if (!missing.empty()) {
    report.note(
        fmt::format("{} missing. `{}` adds the first; a whole workload: `flashjit build "
                    "--workload {} --arch …`.",
                    stats.misses,
                    missing,
                    options.set.workload));
  }
  return stats.misses;
}

int run_stats(const StatsOptions& given, Report& report) {
  StatsOptions options = given;
  Toolchain toolchain;
  toolchain.cache().read_manifests();  // warns of a wrong FLASHJIT_BUNDLES
  show_layers(toolchain.settings(), report);
  if (options.set.workload.empty()) return kExitOk;
  if (options.set.archs.empty()) options.set.archs.push_back("");  // of the device here
  return show_readiness(options, toolchain, report) == 0 ? kExitOk : kExitFailure;
}

}  // namespace

void add_stats(Program& program) {
  auto options = std::make_shared<StatsOptions>();
  CLI::App& command =
      add_command(program,
                  "stats",
                  "What bundles and cache hold; with --workload what of it they have, and exit "
                  "code 1 if anything is missing",
                  [options](Report& report) { return run_stats(*options, report); });
  command.add_option("--workload", options->set.workload, "File with a problem per line");
  command.add_option("--arch", options->set.archs, "sm_80,sm_90a,…; default: of the device here")
      ->delimiter(',');
  command.add_option("--sm-count", options->set.sm_counts, "SMs of the devices")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
}

}  // namespace flashjit::cli
