// Ctrl-C and SIGTERM as a question that long commands ask between two pieces of work.
#pragma once

#include <atomic>

namespace flashjit::cli {

// While it lives, the first signal only sets interrupted(); the second ends the process at once.
// One at a time.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  bool interrupted() const { return flag()->load(); }
  // The same for work that is handed a flag to look at.
  const std::atomic<bool>* flag() const;
  // As a shell tells it: 128 + the signal: 130 for Ctrl-C, 143 for SIGTERM.
  int exit_code() const;
};

}  // namespace flashjit::cli
