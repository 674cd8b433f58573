#include "file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

namespace flashjit {
namespace {

enum class Attempt { kLocked, kBusy, kUnlinked, kNoLocks };

// Locks the file if it still stands in the directory: its last holder may have removed it between
// our open and our lock, and then the next process locks another file.
Attempt try_lock(int file) {
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK || errno == EINTR ? Attempt::kBusy : Attempt::kNoLocks;
  }
  struct stat status;
  if (::fstat(file, &status) != 0) return Attempt::kNoLocks;
  return status.st_nlink > 0 ? Attempt::kLocked : Attempt::kUnlinked;
}

}  // namespace

FileLock::FileLock(UniqueFd directory, std::string name, UniqueFd file)
    : directory_(std::move(directory)), file_(std::move(file)), name_(std::move(name)) {}

FileLock::~FileLock() { ::unlinkat(directory_.get(), name_.c_str(), 0); }

std::unique_ptr<FileLock> FileLock::acquire(UniqueFd directory,
                                            const std::string& name,
                                            mode_t mode,
                                            std::chrono::milliseconds timeout,
                                            const std::function<bool()>& give_up) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = Clock::now() + timeout;
  // O_RDWR: NFS turns flock into a write lock, which a read-only descriptor cannot have.
  constexpr int kFlags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
  // A compile takes 100 ms and more: polling from 1 ms to 32 ms costs at most 32 wake-ups a second.
  std::chrono::milliseconds pause{1};
  UniqueFd file;
  while (true) {
    if (!file) file = UniqueFd(::openat(directory.get(), name.c_str(), kFlags, mode));
    if (!file) return nullptr;
    const Attempt attempt = try_lock(file.get());
    if (attempt == Attempt::kLocked) {
      return std::unique_ptr<FileLock>(new FileLock(std::move(directory), name, std::move(file)));
    }
    if (attempt == Attempt::kNoLocks || Clock::now() >= deadline || give_up()) return nullptr;
    if (attempt == Attempt::kUnlinked) {
      file = UniqueFd();
      continue;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds{32});
  }
}

}  // namespace flashjit
