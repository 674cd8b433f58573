// `flashjit cache list|stats|verify|clear|gc`: the user's cache directory.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "cache_maintenance.h"
#include "cli/program.h"
#include "settings.h"

namespace flashjit::cli {
namespace {

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string utc(const timespec& time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}Z", fmt::gmtime(time.tv_sec));
}

void show_entries(const std::vector<CacheListing>& rows, const Settings& settings, Report& report) {
  Table table({{"variant", "variant"},
               {"arch", "arch"},
               {"bytes", "bytes"},
               {"compiler", ""},
               {"last_used", "last used"},
               {"key", ""},
               {"problem", ""}});
  for (const CacheListing& row : rows) {
    const bool good = row.why_bad.empty();
    table.row({good ? row.variant : row.key.substr(0, 12) + "…",
               good ? Json(row.arch) : Json(),
               row.bytes,
               good ? Json(row.compiler_build) : Json(),
               good ? Json(utc(row.last_used)) : Json(),
               row.key,
               row.why_bad});
  }
  report.table("entries", settings.cache_dir->string(), table);
  for (const CacheListing& row : rows) {
    if (!row.why_bad.empty()) report.line(fmt::format("  ✗ {}.fjc: {}", row.key, row.why_bad), 4);
  }
}

int run_list(Report& report) {
  const Settings settings = read_settings();
  show_entries(list_cache(settings), settings, report);
  return kExitOk;
}

int run_verify(Report& report) {
  const Settings settings = read_settings();
  const std::vector<CacheListing> bad = verify_cache(settings);
  show_entries(bad, settings, report);
  report.value("bad", bad.size());
  report.note(bad.empty()
                  ? "Every entry is intact."
                  : fmt::format("{} bad entries; each is replaced when its variant is next needed, "
                                "or removed by `flashjit cache gc`.",
                                bad.size()));
  return bad.empty() ? kExitOk : kExitData;
}

int run_stats(Report& report) {
  const CacheSummary summary = summarize_cache(read_settings());
  report.facts(
      "cache",
      summary.directory.string(),
      {{"entries", "entries", fmt::to_string(summary.entries), summary.entries},
       {"bad_entries", "bad entries", fmt::to_string(summary.bad_entries), summary.bad_entries},
       {"bytes", "size", fmt::format("{:.1f} MiB", mib(summary.bytes)), summary.bytes},
       {"max_bytes", "bound", fmt::format("{:.0f} MiB", mib(summary.max_bytes)), summary.max_bytes},
       {"compile_ms",
        "compiling they save",
        fmt::format("{:.1f} s", summary.compile_ms / 1000),
        summary.compile_ms}});
  return kExitOk;
}

int run_clear(Report& report) {
  const CacheCleaning cleaning = clear_cache(read_settings());
  report.value("removed", cleaning.entries);
  report.value("bytes", cleaning.bytes);
  report.note(
      fmt::format("{} entries removed, {:.1f} MiB.", cleaning.entries, mib(cleaning.bytes)));
  return kExitOk;
}

int run_gc(Report& report) {
  const CacheCleaning cleaning = collect_cache(read_settings());
  report.value("evicted", cleaning.entries);
  report.value("bad", cleaning.bad_entries);
  report.value("swept", cleaning.temporaries);
  report.value("remaining_bytes", cleaning.remaining_bytes);
  report.note(fmt::format(
      "{} entries evicted, {} bad ones removed, {} stale temporary files swept, {:.1f} MiB remain.",
      cleaning.entries,
      cleaning.bad_entries,
      cleaning.temporaries,
      mib(cleaning.remaining_bytes)));
  return kExitOk;
}

}  // namespace

void add_cache(Program& program) {
  CLI::App& cache =
      *program.app.add_subcommand("cache", "The cache directory: list, stats, verify, clear, gc");
  cache.require_subcommand(1);
  add_command(program, cache, "list", "Every entry, the most recently used first", run_list);
  add_command(program, cache, "stats", "How many, how large, what they save", run_stats);
  add_command(program, cache, "verify", "Check every entry; exit code 3 if one is bad", run_verify);
  add_command(program, cache, "clear", "Remove every entry", run_clear);
  add_command(program,
              cache,
              "gc",
              "Remove bad entries, evict down to the size bound, sweep what killed processes left",
              run_gc);
}

}  // namespace flashjit::cli
