#include "cache_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "flashjit/error.h"
#include "sha256.h"

namespace flashjit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVersionDirectory = "v1";
constexpr const char* kLockDirectory = "locks";
constexpr std::string_view kEntrySuffix = ".fjc";
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
// Nothing of ours takes an hour between creating a file and renaming or unlocking it.
constexpr std::time_t kStaleSeconds = 3600;

std::string file_name(const std::string& hex) { return hex + std::string(kEntrySuffix); }

bool is_entry_name(std::string_view name) {
  return name.ends_with(kEntrySuffix) &&
         is_sha256_hex(name.substr(0, name.size() - kEntrySuffix.size()));
}

bool older(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

std::vector<CacheFile> list_entries(int entries) {
  std::vector<CacheFile> files;
  for (const std::string& name : list_directory(entries)) {
    struct stat status;
    if (!is_entry_name(name)) continue;
    if (::fstatat(entries, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    files.push_back({name.substr(0, name.size() - kEntrySuffix.size()),
                     static_cast<std::uint64_t>(status.st_size),
                     status.st_mtim});
  }
  return files;
}

// Removes files of the directory that `is_ours` names and that nobody touched for an hour.
template <typename Predicate>
std::size_t sweep(int directory, Predicate is_ours) {
  std::size_t count = 0;
  const std::time_t now = std::time(nullptr);
  for (const std::string& name : list_directory(directory)) {
    struct stat status;
    if (is_ours(name) && ::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        now - status.st_mtime > kStaleSeconds && ::unlinkat(directory, name.c_str(), 0) == 0) {
      ++count;
    }
  }
  return count;
}

// Which file stands under the name: changes when somebody publishes.
struct FileIdentity {
  ino_t inode = 0;
  std::time_t changed = 0;
  long changed_ns = 0;
  bool operator==(const FileIdentity&) const = default;
};

FileIdentity identity(int directory, const std::string& name) {
  struct stat status;
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return {};
  return {status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
}

}  // namespace

CacheDirectory::CacheDirectory(fs::path root, bool group_shared)
    : root_(std::move(root)),
      group_shared_(group_shared),
      directory_mode_(group_shared ? 02770 : 0700),
      file_mode_(group_shared ? 0660 : 0600) {}

// Whoever may write here may hand us code to run: only this user, or, on request, the group.
void CacheDirectory::check_directory(int fd, const fs::path& path) const {
  struct stat status;
  if (::fstat(fd, &status) != 0) throw_io("cannot examine " + path.string(), errno);
  const mode_t forbidden = group_shared_ ? S_IWOTH : S_IWOTH | S_IWGRP;
  if (status.st_mode & forbidden) {
    throw Error(ErrorCode::kIo,
                path.string() + " is writable by " +
                    (status.st_mode & S_IWOTH ? "everybody" : "its group") + " (chmod go-w it" +
                    (group_shared_ ? ")" : ", or set FLASHJIT_CACHE_GROUP=1)"));
  }
  if (!group_shared_ && status.st_uid != ::geteuid()) {
    throw Error(ErrorCode::kIo, path.string() + " belongs to another user");
  }
}

UniqueFd CacheDirectory::open_root(Missing missing) const {
  if (missing == Missing::kCreate && root_.has_parent_path()) {
    std::error_code error;
    fs::create_directories(root_.parent_path(), error);
    if (error) throw_io("cannot create " + root_.parent_path().string(), error.value());
  }
  return open_below(AT_FDCWD, root_.c_str(), missing);
}

// Not there and kAllow: an empty descriptor.
UniqueFd CacheDirectory::open_below(int parent, const char* name, Missing missing) const {
  const std::string shown = parent == AT_FDCWD ? name : (root_ / name).string();
  bool created = false;
  if (missing == Missing::kCreate) {
    created = ::mkdirat(parent, name, 0700) == 0;
    if (!created && errno != EEXIST) throw_io("cannot create " + shown, errno);
  }
  UniqueFd fd(::openat(parent, name, kDirectoryFlags));
  if (!fd) {
    if (errno == ENOENT && missing == Missing::kAllow) return fd;
    if (errno == ELOOP || errno == ENOTDIR) {
      throw Error(ErrorCode::kIo, shown + " is not a directory (symbolic links are not followed)");
    }
    throw_io("cannot open " + shown, errno);
  }
  // The umask may have taken more than intended, and never gives the group its share.
  if (created && ::fchmod(fd.get(), directory_mode_) != 0) {
    throw_io("cannot set the mode of " + shown, errno);
  }
  check_directory(fd.get(), shown);
  return fd;
}

UniqueFd CacheDirectory::open_entries(Missing missing) const {
  const UniqueFd root = open_root(missing);
  return root ? open_below(root.get(), kVersionDirectory, missing) : UniqueFd();
}

std::optional<CacheDirectory::Contents> CacheDirectory::read(const std::string& hex,
                                                             bool touch) const {
  const UniqueFd entries = open_entries(Missing::kAllow);
  if (!entries) return std::nullopt;
  const std::string name = file_name(hex);
  const UniqueFd fd(
      ::openat(entries.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    if (errno == ENOENT) return std::nullopt;
    if (errno == ELOOP) return Contents{{}, "it is a symbolic link"};
    return Contents{{}, std::generic_category().message(errno)};
  }
  struct stat status;
  if (!group_shared_ && ::fstat(fd.get(), &status) == 0 && status.st_uid != ::geteuid()) {
    return Contents{{}, "it belongs to another user"};
  }
  try {
    Contents contents{read_regular_file(fd.get(), name, kMaxEntryBytes), ""};
    if (touch) ::futimens(fd.get(), nullptr);  // Fails harmlessly on a read-only file system.
    return contents;
  } catch (const Error& error) {
    return Contents{{}, error.what()};
  }
}

void CacheDirectory::publish(const std::string& hex, std::span<const std::byte> bytes) const {
  const UniqueFd entries = open_entries(Missing::kCreate);
  write_file_atomically(entries.get(), file_name(hex), bytes, file_mode_);
}

bool CacheDirectory::remove(const std::string& hex) const {
  const UniqueFd entries = open_entries(Missing::kAllow);
  if (!entries) return false;
  if (::unlinkat(entries.get(), file_name(hex).c_str(), 0) == 0) return true;
  if (errno == ENOENT) return false;
  throw_io("cannot remove " + file_name(hex), errno);
}

std::vector<CacheFile> CacheDirectory::list() const {
  const UniqueFd entries = open_entries(Missing::kAllow);
  return entries ? list_entries(entries.get()) : std::vector<CacheFile>{};
}

CacheTrim CacheDirectory::trim(std::uint64_t max_bytes) const {
  CacheTrim result;
  const UniqueFd entries = open_entries(Missing::kAllow);
  if (!entries) return result;
  std::vector<CacheFile> files = list_entries(entries.get());
  for (const CacheFile& file : files) result.remaining_bytes += file.bytes;
  std::sort(files.begin(), files.end(), [](const CacheFile& a, const CacheFile& b) {
    return older(a.last_used, b.last_used);
  });
  for (const CacheFile& file : files) {
    if (result.remaining_bytes <= max_bytes) break;
    // Another process may evict too: what is gone already counts as gone.
    if (::unlinkat(entries.get(), file_name(file.hex).c_str(), 0) == 0) {
      ++result.evicted_entries;
      result.evicted_bytes += file.bytes;
    }
    result.remaining_bytes -= file.bytes;
  }
  result.swept_temporaries = sweep(entries.get(), is_temporary_name);
  if (const UniqueFd locks = open_below(entries.get(), kLockDirectory, Missing::kAllow)) {
    result.swept_temporaries += sweep(locks.get(), [](std::string_view) { return true; });
  }
  return result;
}

std::unique_ptr<FileLock> CacheDirectory::lock(const std::string& hex,
                                               std::chrono::milliseconds timeout) const {
  const UniqueFd entries = open_entries(Missing::kCreate);
  UniqueFd locks = open_below(entries.get(), kLockDirectory, Missing::kCreate);
  const std::string entry = file_name(hex);
  const FileIdentity before = identity(entries.get(), entry);
  const auto published = [&] { return identity(entries.get(), entry) != before; };
  return FileLock::acquire(std::move(locks), hex, file_mode_, timeout, published);
}

}  // namespace flashjit
