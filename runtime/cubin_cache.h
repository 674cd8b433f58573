// The layers of entries below the registry's memory: read-only bundles, then the user's cache
// directory.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "cache_entry.h"
#include "log.h"

namespace flashjit {

struct CacheHit {
  CacheEntry entry;
  VariantOrigin origin;
};

// Thread-safe and safe among processes. Never throws for the state of a disk: an unusable directory
// means memory-only with one warning; a bad entry is a miss, logged, counted and replaced by the
// next publish.
class CubinCache {
 public:
  CubinCache(const Settings& settings, std::shared_ptr<spdlog::logger> logger);
  ~CubinCache();

  std::optional<CacheHit> find(const CacheKey& key);
  // Exclusive temporary file, fsync, rename; then evicts least-recently-used entries over the byte
  // bound.
  void publish(const CacheEntry& entry);

  // Held while compiling so that one of N processes compiles. Only an optimisation: null after the
  // time-out or when the directory has no locks; the caller compiles anyway.
  class CompileLock;
  std::unique_ptr<CompileLock> lock(const CacheKey& key);

  std::uint64_t corrupt_entries() const { return corrupt_entries_; }
  const std::optional<std::filesystem::path>& directory() const { return directory_; }

 private:
  std::optional<std::filesystem::path> directory_;
  std::vector<std::filesystem::path> bundles_;
  std::uint64_t max_bytes_;
  std::shared_ptr<spdlog::logger> logger_;
  std::atomic<std::uint64_t> corrupt_entries_ = 0;
};

}  // namespace flashjit
