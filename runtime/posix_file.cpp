#include "posix_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <random>
#include <system_error>

#include "flashjit/error.h"

namespace flashjit {
namespace {

void write_all(int fd, std::span<const std::byte> bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw_io("cannot write " + name, written < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

// Random, not the process id: processes of several hosts or containers may share a directory.
std::string temporary_name(const std::string& name) {
  std::random_device random;
  const std::uint64_t bits = (static_cast<std::uint64_t>(random()) << 32) | random();
  return "." + name + "." + std::to_string(bits) + ".tmp";
}

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

void throw_io(const std::string& what, int error_number) {
  throw Error(ErrorCode::kIo, what + ": " + std::generic_category().message(error_number));
}

std::vector<std::byte> read_regular_file(int fd, const std::string& name, std::size_t max_bytes) {
  struct stat status;
  if (::fstat(fd, &status) != 0) throw_io("cannot read " + name, errno);
  if (!S_ISREG(status.st_mode)) throw Error(ErrorCode::kIo, name + " is not a regular file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) {
    throw Error(ErrorCode::kIo, name + " is larger than " + std::to_string(max_bytes) + " bytes");
  }
  // One byte more than the size, so that a file that grew is noticed too.
  std::vector<std::byte> bytes(size + 1);
  std::size_t count = 0;
  while (count < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + count, bytes.size() - count);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_io("cannot read " + name, errno);
    if (got == 0) break;
    count += static_cast<std::size_t>(got);
  }
  if (count != size) throw Error(ErrorCode::kIo, name + " changed while it was read");
  bytes.pop_back();
  return bytes;
}

std::vector<std::byte> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  // O_NONBLOCK: opening a FIFO must not hang; it is refused afterwards.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) throw_io("cannot open " + path.string(), errno);
  return read_regular_file(fd.get(), path.string(), max_bytes);
}

void write_file_atomically(int directory_fd,
                           const std::string& name,
                           std::span<const std::byte> bytes,
                           mode_t mode) {
  const std::string temporary = temporary_name(name);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd(::openat(directory_fd, temporary.c_str(), kFlags, mode));
  if (!fd) throw_io("cannot create " + temporary, errno);
  try {
    if (::fchmod(fd.get(), mode) != 0) throw_io("cannot set the mode of " + temporary, errno);
    write_all(fd.get(), bytes, temporary);
    if (::fsync(fd.get()) != 0) throw_io("cannot flush " + temporary, errno);
    // Network file systems report a full disk as late as here.
    if (::close(fd.release()) != 0) throw_io("cannot close " + temporary, errno);
    if (::renameat(directory_fd, temporary.c_str(), directory_fd, name.c_str()) != 0) {
      throw_io("cannot rename " + temporary + " to " + name, errno);
    }
  } catch (...) {
    ::unlinkat(directory_fd, temporary.c_str(), 0);
    throw;
  }
  ::fsync(directory_fd);  // Only durability: the file is complete either way.
}

void write_file_atomically(const std::filesystem::path& path,
                           std::span<const std::byte> bytes,
                           mode_t mode) {
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
  const UniqueFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) throw_io("cannot open directory " + parent.string(), errno);
  write_file_atomically(directory.get(), path.filename().string(), bytes, mode);
}

std::filesystem::path nearest_existing(std::filesystem::path path) {
  std::error_code ignored;
  while (!std::filesystem::exists(path, ignored) && path.has_relative_path())
    path = path.parent_path();
  return path;
}

bool can_make_a_directory_in(const std::filesystem::path& directory) {
  std::string made = (directory / ".flashjit-XXXXXX").string();
  return mkdtemp(made.data()) != nullptr && rmdir(made.c_str()) == 0;
}

bool is_temporary_name(std::string_view name) {
  return name.size() > 5 && name.front() == '.' && name.ends_with(".tmp");
}

std::vector<std::string> list_directory(int directory_fd) {
  // A descriptor of its own: fdopendir takes it over, and the position is not shared.
  const int fd = ::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_io("cannot list directory", errno);
  const auto close_directory = [](DIR* directory) { ::closedir(directory); };
  const std::unique_ptr<DIR, decltype(close_directory)> directory(::fdopendir(fd), close_directory);
  if (!directory) {
    const int error = errno;
    ::close(fd);
    throw_io("cannot list directory", error);
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace flashjit
