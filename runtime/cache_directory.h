// The user's cache on disk: <root>/v1/<key>.fjc, locks in <root>/v1/locks/. Opens it safely for
// every operation (owner and mode checked, no symlink followed), so that a directory that is
// swapped or deleted meanwhile is noticed. Knows names and bytes, not what an entry means.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "file_lock.h"

namespace flashjit {

// No cubin comes near this; a larger file is damage, and must not be read into memory.
inline constexpr std::size_t kMaxEntryBytes = 256u << 20;

struct CacheFile {
  std::string hex;  // the key
  std::uint64_t bytes = 0;
  timespec last_used{};  // mtime: publishing and hits set it
};

struct CacheTrim {
  std::size_t evicted_entries = 0, swept_temporaries = 0;
  std::uint64_t evicted_bytes = 0, remaining_bytes = 0;
};

// All functions throw Error(kIo) when the directory is unusable; that it does not exist is an empty
// cache. Safe among threads and processes.
class CacheDirectory {
 public:
  CacheDirectory(std::filesystem::path root, bool group_shared);

  const std::filesystem::path& root() const { return root_; }

  // A file that is there but cannot be trusted or read has a reason instead of bytes.
  struct Contents {
    std::vector<std::byte> bytes;
    std::string why_unreadable;
  };
  // Nothing if there is no such entry. `touch` marks it as used now.
  std::optional<Contents> read(const std::string& hex, bool touch) const;

  // Creates the directory when needed.
  void publish(const std::string& hex, std::span<const std::byte> bytes) const;

  // False if it was not there.
  bool remove(const std::string& hex) const;

  // Sorted by key.
  std::vector<CacheFile> list() const;

  // Removes the least recently used entries until `max_bytes` hold the rest, and temporary and lock
  // files that a killed process left more than an hour ago.
  CacheTrim trim(std::uint64_t max_bytes) const;

  // The lock of one key, or null: see FileLock. Gives up early when another process publishes.
  std::unique_ptr<FileLock> lock(const std::string& hex, std::chrono::milliseconds timeout) const;

 private:
  enum class Missing { kAllow, kCreate };
  UniqueFd open_root(Missing missing) const;
  UniqueFd open_below(int parent, const char* name, Missing missing) const;
  UniqueFd open_entries(Missing missing) const;
  void check_directory(int fd, const std::filesystem::path& path) const;

  std::filesystem::path root_;
  bool group_shared_;
  mode_t directory_mode_, file_mode_;
};

}  // namespace flashjit
