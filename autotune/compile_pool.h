// The threads that compile for everybody who tunes on this machine, whatever the number of devices:
// what a search waits for goes before what a later problem will need.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "flashjit/kernel_config.h"

namespace flashjit {

class CompilePool {
 public:
  enum class Lane : int { kNow = 0, kLater = 1 };

  // 0 threads: one per core.
  explicit CompilePool(int threads);
  // Waits for what has begun; the rest is dropped.
  ~CompilePool();
  CompilePool(const CompilePool&) = delete;
  CompilePool& operator=(const CompilePool&) = delete;

  // Runs `job` on one of the threads. A job must not throw.
  void submit(Lane lane, std::function<void()> job);
  int threads() const { return static_cast<int>(threads_.size()); }

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<std::deque<std::function<void()>>, 2> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// The tilings of one search on their way through a pool: handed over as they are done, in any
// order.
class CompileQueue {
 public:
  // `compile` answers "" or why the tiling cannot be used; called from several threads at once.
  CompileQueue(CompilePool& pool,
               const std::vector<Tiling>& tilings,
               std::function<std::string(const Tiling&)> compile);
  // Waits for what has begun; the rest is not compiled.
  ~CompileQueue();
  CompileQueue(const CompileQueue&) = delete;
  CompileQueue& operator=(const CompileQueue&) = delete;

  struct Done {
    Tiling tiling;
    std::string error;
  };
  // What was compiled since the last call, `max` at most: waits for the first of it, until
  // `stopped` says so. Empty when all were handed over, or stopped.
  std::vector<Done> next(std::size_t max, const std::function<bool()>& stopped);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace flashjit
