// The layers of entries below the registry's memory: read-only bundles, then the user's cache
// directory.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "cache_directory.h"
#include "cache_entry.h"
#include "log.h"

namespace flashjit {

struct CacheHit {
  CacheEntry entry;
  VariantOrigin origin;
};

// Thread-safe and safe among processes. Never throws for the state of a disk: an unusable directory
// means memory-only with one warning; a bad entry is a miss, logged, counted and replaced by the
// next publish. Only the constructor throws, Error(kData) or Error(kIo), for a bundle that is not
// the pinned one. A bundle hit looks at nothing but the bundle; offline nothing is written at all.
class CubinCache {
 public:
  CubinCache(const Settings& settings, std::shared_ptr<spdlog::logger> logger);

  std::optional<CacheHit> find(const CacheKey& key);
  // The distinct builds of the compilers that made the entries of all layers, to make keys of where
  // there is no compiler to ask. Reads the manifests of bundles once, and each entry of the
  // directory once.
  std::vector<std::string> compiler_builds() const;
  // Reads the manifests of bundles if that was not done, and warns of each that cannot be read.
  void read_manifests() const;
  // Exclusive temporary file, fsync, rename; then evicts least-recently-used entries over the byte
  // bound.
  void publish(const CacheEntry& entry);

  // Held while compiling so that one of N processes compiles. Only an optimisation: null after the
  // time-out, as soon as another process published, or when there are no locks. After it the caller
  // looks again with find() in every case, and compiles if that misses.
  using CompileLock = FileLock;
  std::unique_ptr<CompileLock> lock(const CacheKey& key);

  std::uint64_t corrupt_entries() const { return corrupt_entries_; }
  // Nothing without a directory, and since it proved unusable.
  std::optional<std::filesystem::path> directory() const;

 private:
  std::optional<CacheHit> find_in_bundle(const std::filesystem::path& bundle, const CacheKey& key);
  std::optional<CacheHit> find_in_directory(const CacheKey& key);
  // The entry in `bytes` if it is intact and that of `key`; a bad one is logged and counted.
  std::optional<CacheHit> accept(std::span<const std::byte> bytes,
                                 const CacheKey& key,
                                 const std::filesystem::path& file,
                                 VariantOrigin origin);
  // Once for each content of a file: whoever misses looks again under the lock.
  void report_bad_entry(const std::filesystem::path& file,
                        const std::string& why,
                        std::span<const std::byte> bytes = {});
  void give_up_directory(const std::string& why);
  void warn_once(const std::string& what, const std::string& why);

  std::optional<CacheDirectory> directory_;
  std::vector<std::filesystem::path> bundles_;
  // When the bundle is pinned: key → SHA-256 of its file.
  std::optional<std::map<std::string, std::string>> pinned_;
  mutable std::once_flag bundle_builds_once_;
  mutable std::set<std::string> bundle_builds_;
  mutable std::mutex directory_builds_mutex_;
  mutable std::map<std::string, std::string> directory_builds_;  // key → build; "" when it is bad
  std::mutex bad_files_mutex_;
  std::map<std::filesystem::path, std::string> bad_files_;  // why and digest, as last reported
  bool directory_missing_;
  std::uint64_t max_bytes_;
  std::chrono::milliseconds lock_timeout_;
  bool read_only_;
  std::shared_ptr<spdlog::logger> logger_;
  std::atomic<std::uint64_t> corrupt_entries_ = 0;
  std::atomic<bool> directory_unusable_ = false, warned_ = false;
};

}  // namespace flashjit
