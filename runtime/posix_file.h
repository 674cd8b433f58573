// The file operations that the standard library cannot do safely: descriptors, whole reads, atomic
// writes and locks. Failures are Error(kIo) with the reason of the system; nothing is half-written.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace flashjit {

// Owns a file descriptor; move-only.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// Error(kIo) "what: <the system's reason for `error_number`>".
[[noreturn]] void throw_io(const std::string& what, int error_number);

// All bytes of an open regular file. Throws when it is none, exceeds `max_bytes` or changes its
// size while being read.
std::vector<std::byte> read_regular_file(int fd, const std::string& name, std::size_t max_bytes);

// The same for a path; symlinks are followed.
std::vector<std::byte> read_file(const std::filesystem::path& path, std::size_t max_bytes);

// Puts a complete file in the place of `name` inside the directory, or leaves everything as it was:
// exclusive temporary file beside it, every write checked, fsync, rename, fsync of the directory.
void write_file_atomically(int directory_fd,
                           const std::string& name,
                           std::span<const std::byte> bytes,
                           mode_t mode);
void write_file_atomically(const std::filesystem::path& path,
                           std::span<const std::byte> bytes,
                           mode_t mode = 0644);

// `path`, or the nearest of its parents that exists.
std::filesystem::path nearest_existing(std::filesystem::path path);

// Tried, as the mode of a directory does not tell: root may write to /proc, which takes nothing.
// Where not, errno says why.
bool can_make_a_directory_in(const std::filesystem::path& directory);

// What the temporary files above are called: ".<name>.<random>.tmp".
bool is_temporary_name(std::string_view name);

// Names in a directory without "." and "..", sorted.
std::vector<std::string> list_directory(int directory_fd);

}  // namespace flashjit
