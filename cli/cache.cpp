// `flashjit cache list|stats|verify|clear|gc`: the user's cache directory.
#include <fmt/format.h>

#include <algorithm>

#include "cache_directory.h"
#include "cache_entry.h"
#include "cli/program.h"
#include "settings.h"

namespace flashjit::cli {
namespace {

struct OpenCache {
  Settings settings;
  CacheDirectory directory;
};

OpenCache open_cache() {
  Settings settings = read_settings();
  if (!settings.cache_dir) {
    throw Error(ErrorCode::kInvalidArgument, "there is no cache directory; set FLASHJIT_CACHE_DIR");
  }
  CacheDirectory directory(*settings.cache_dir, settings.cache_group_shared);
  return {std::move(settings), std::move(directory)};
}

// The entry of `file`, or nothing and the reason in `why`.
std::optional<CacheEntry> load(const OpenCache& cache, const CacheFile& file, std::string& why) {
  const std::optional<CacheDirectory::Contents> contents = cache.directory.read(file.hex, false);
  if (!contents) {
    why = "gone meanwhile";
    return std::nullopt;
  }
  if (!contents->why_unreadable.empty()) {
    why = contents->why_unreadable;
    return std::nullopt;
  }
  return decode_entry(contents->bytes, why);
}

// Shows every entry, or only the bad ones; returns how many are bad.
int show_entries(const OpenCache& cache, bool only_bad, Report& report) {
  Table table({{"variant", "variant"},
               {"arch", "arch"},
               {"bytes", "bytes"},
               {"compiler", "compiler"},
               {"key", ""},
               {"problem", "problem"}});
  int bad = 0;
  for (const CacheFile& file : cache.directory.list()) {
    std::string why;
    const std::optional<CacheEntry> entry = load(cache, file, why);
    bad += entry ? 0 : 1;
    if (entry && only_bad) continue;
    table.row({entry ? entry->variant : file.hex.substr(0, 12) + "…",
               entry ? Json(entry->arch) : Json(),
               file.bytes,
               entry ? Json(entry->compiler_build) : Json(),
               file.hex,
               entry ? "" : why});
  }
  report.table("entries", cache.directory.root().string(), table);
  return bad;
}

int run_list(Report& report) {
  show_entries(open_cache(), false, report);
  return kExitOk;
}

int run_verify(Report& report) {
  const int bad = show_entries(open_cache(), true, report);
  report.value("bad", bad);
  report.note(
      bad == 0
          ? "Every entry is intact."
          : fmt::format("{} bad entries; each is replaced when its variant is next needed.", bad));
  return bad == 0 ? kExitOk : kExitData;
}

int run_stats(Report& report) {
  const OpenCache cache = open_cache();
  std::uint64_t bytes = 0;
  const std::vector<CacheFile> files = cache.directory.list();
  for (const CacheFile& file : files) bytes += file.bytes;
  report.facts(
      "cache",
      cache.directory.root().string(),
      {{"entries", "entries", fmt::to_string(files.size()), files.size()},
       {"bytes", "size", fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20)), bytes},
       {"max_bytes",
        "bound",
        fmt::format("{:.0f} MiB", static_cast<double>(cache.settings.cache_max_bytes) / (1 << 20)),
        cache.settings.cache_max_bytes}});
  return kExitOk;
}

int run_clear(Report& report) {
  const OpenCache cache = open_cache();
  std::size_t removed = 0;
  for (const CacheFile& file : cache.directory.list())
    removed += cache.directory.remove(file.hex) ? 1 : 0;
  report.value("removed", removed);
  report.note(fmt::format("{} entries removed.", removed));
  return kExitOk;
}

int run_gc(Report& report) {
  const OpenCache cache = open_cache();
  const CacheTrim trim = cache.directory.trim(cache.settings.cache_max_bytes);
  report.value("evicted", trim.evicted_entries);
  report.value("swept", trim.swept_temporaries);
  report.value("remaining_bytes", trim.remaining_bytes);
  report.note(fmt::format("{} entries evicted, {} stale temporary files swept, {:.1f} MiB remain.",
                          trim.evicted_entries,
                          trim.swept_temporaries,
                          static_cast<double>(trim.remaining_bytes) / (1 << 20)));
  return kExitOk;
}

}  // namespace

void add_cache(Program& program) {
  CLI::App& cache =
      *program.app.add_subcommand("cache", "The cache directory: list, stats, verify, clear, gc");
  cache.require_subcommand(1);
  add_command(program, cache, "list", "Every entry", run_list);
  add_command(program, cache, "stats", "How many, how large", run_stats);
  add_command(program, cache, "verify", "Check every entry; exit code 3 if one is bad", run_verify);
  add_command(program, cache, "clear", "Remove every entry", run_clear);
  add_command(program,
              cache,
              "gc",
              "Evict down to the size bound, sweep what killed processes left",
              run_gc);
}

}  // namespace flashjit::cli
