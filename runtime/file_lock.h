// One process at a time, best effort: an advisory lock on a file of its own, with a time-out.
// Nothing may depend on it for correctness.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "posix_file.h"

namespace flashjit {

// Held until destroyed, which also removes the file; the system releases it when the process dies.
class FileLock {
 public:
  // Creates the file `name` in the directory (which it owns a descriptor of) and waits for the
  // lock. Null when the time is over, when `give_up` says so, or when the file system has no locks.
  static std::unique_ptr<FileLock> acquire(UniqueFd directory,
                                           const std::string& name,
                                           mode_t mode,
                                           std::chrono::milliseconds timeout,
                                           const std::function<bool()>& give_up);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  FileLock(UniqueFd directory, std::string name, UniqueFd file);
  UniqueFd directory_, file_;
  std::string name_;
};

}  // namespace flashjit
