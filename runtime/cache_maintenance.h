// What `flashjit cache list|stats|clear|gc|verify` and `flashjit export` do with the user's cache
// directory. All throw Error(kInvalidArgument) when the settings name none, and Error(kIo) when it
// is unusable; one that does not exist yet is empty.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cache_directory.h"
#include "cache_entry.h"
#include "settings.h"

namespace flashjit {

// One file of the cache. When `why_bad` is set, only it, `key` and `bytes` hold.
struct CacheListing {
  std::string key;  // hex
  std::string why_bad;
  std::string variant, arch, compiler_build;
  double compile_ms = 0;
  std::uint64_t bytes = 0;
  timespec last_used{};
};

struct CacheSummary {
  std::filesystem::path directory;
  std::size_t entries = 0, bad_entries = 0;
  std::uint64_t bytes = 0, max_bytes = 0;
  double compile_ms = 0;  // what the entries saved, once each
};

struct CacheCleaning {
  std::size_t entries = 0, bad_entries = 0, temporaries = 0;  // removed
  std::uint64_t bytes = 0, remaining_bytes = 0;
};

CacheDirectory open_cache(const Settings& settings);

// Every entry, read and verified, the most recently used first.
std::vector<CacheListing> list_cache(const Settings& settings);
CacheSummary summarize_cache(const Settings& settings);

// Only the entries that are bad.
std::vector<CacheListing> verify_cache(const Settings& settings);

// Removes bad entries, what killed processes left, and least recently used entries over the bound.
CacheCleaning collect_cache(const Settings& settings);
// Removes every entry.
CacheCleaning clear_cache(const Settings& settings);

// The good entries, for export; sorted by key.
std::vector<CacheEntry> read_cache(const Settings& settings);

}  // namespace flashjit
