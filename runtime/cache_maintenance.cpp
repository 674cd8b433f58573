#include "cache_maintenance.h"

#include <algorithm>
#include <tuple>

namespace flashjit {
namespace {

// Calls visit(file, entry or null, why_bad) for each file.
template <typename Visit>
void for_each_entry(const CacheDirectory& cache, Visit visit) {
  for (const CacheFile& file : cache.list()) {
    const auto contents = cache.read(file.hex, false);
    if (!contents) continue;  // evicted meanwhile
    std::string why = contents->why_unreadable;
    std::optional<CacheEntry> entry;
    if (why.empty()) entry = decode_entry(contents->bytes, why);
    if (entry && entry->key.hex != file.hex) {
      why = "it holds " + entry->variant + " under another key";
      entry.reset();
    }
    visit(file, entry ? &*entry : nullptr, why);
  }
}

CacheListing make_listing(const CacheFile& file, const CacheEntry* entry, const std::string& why) {
  CacheListing row;
  row.key = file.hex;
  row.bytes = file.bytes;
  row.last_used = file.last_used;
  row.why_bad = why;
  if (entry) {
    row.variant = entry->variant;
    row.arch = entry->arch;
    row.compiler_build = entry->compiler_build;
    row.compile_ms = entry->binary.compile_ms;
  }
  return row;
}

}  // namespace

CacheDirectory open_cache(const Settings& settings) {
  if (!settings.cache_dir) {
    throw Error(ErrorCode::kInvalidArgument,
                "no cache directory: FLASHJIT_CACHE_DIR is 'off', or neither it nor XDG_CACHE_HOME "
                "nor HOME is set");
  }
  return CacheDirectory(*settings.cache_dir, settings.cache_group_shared);
}

std::vector<CacheListing> list_cache(const Settings& settings) {
  std::vector<CacheListing> rows;
  for_each_entry(open_cache(settings), [&](const auto& file, const auto* entry, const auto& why) {
    rows.push_back(make_listing(file, entry, why));
  });
  std::stable_sort(rows.begin(), rows.end(), [](const CacheListing& a, const CacheListing& b) {
    return std::tie(a.last_used.tv_sec, a.last_used.tv_nsec) >
           std::tie(b.last_used.tv_sec, b.last_used.tv_nsec);
  });
  return rows;
}

CacheSummary summarize_cache(const Settings& settings) {
  CacheSummary summary;
  for (const CacheListing& row : list_cache(settings)) {
    ++(row.why_bad.empty() ? summary.entries : summary.bad_entries);
    summary.bytes += row.bytes;
    summary.compile_ms += row.compile_ms;
  }
  summary.directory = *settings.cache_dir;
  summary.max_bytes = settings.cache_max_bytes;
  return summary;
}

std::vector<CacheListing> verify_cache(const Settings& settings) {
  std::vector<CacheListing> rows = list_cache(settings);
  std::erase_if(rows, [](const CacheListing& row) { return row.why_bad.empty(); });
  return rows;
}

CacheCleaning collect_cache(const Settings& settings) {
  const CacheDirectory cache = open_cache(settings);
  CacheCleaning cleaning;
  for (const CacheListing& row : verify_cache(settings)) {
    if (!cache.remove(row.key)) continue;
    ++cleaning.bad_entries;
    cleaning.bytes += row.bytes;
  }
  const CacheTrim trim = cache.trim(settings.cache_max_bytes);
  cleaning.entries = trim.evicted_entries;
  cleaning.bytes += trim.evicted_bytes;
  cleaning.temporaries = trim.swept_temporaries;
  cleaning.remaining_bytes = trim.remaining_bytes;
  return cleaning;
}

CacheCleaning clear_cache(const Settings& settings) {
  const CacheDirectory cache = open_cache(settings);
  CacheCleaning cleaning;
  for (const CacheFile& file : cache.list()) {
    if (!cache.remove(file.hex)) continue;
    ++cleaning.entries;
    cleaning.bytes += file.bytes;
  }
  cleaning.temporaries = cache.trim(settings.cache_max_bytes).swept_temporaries;
  return cleaning;
}

std::vector<CacheEntry> read_cache(const Settings& settings) {
  std::vector<CacheEntry> entries;
  for_each_entry(open_cache(settings), [&](const auto&, const auto* entry, const auto&) {
    if (entry) entries.push_back(*entry);
  });
  return entries;
}

}  // namespace flashjit
