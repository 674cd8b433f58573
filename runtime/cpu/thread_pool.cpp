#include "cpu/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <system_error>

namespace flashjit::cpu {
namespace {

// A container's or taskset's share, where hardware_concurrency() would count the whole machine.
int usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

ThreadPool::ThreadPool(int num_threads) {
  if (num_threads <= 0) num_threads = std::max(1, usable_cores());
  workers_.reserve(num_threads - 1);
  try {
    for (int i = 1; i < num_threads; ++i) workers_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    // Those that there are do it, if need be the caller alone.
  }
  idle_workers_ = static_cast<int>(workers_.size());
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int num_tasks, const std::function<void(int)>& task) {
  if (num_tasks <= 0) return;
  const std::lock_guard call_lock(call_mutex_);
  const bool alone = num_tasks == 1 || workers_.empty();
  {
    const std::lock_guard lock(mutex_);
    task_ = &task;
    num_tasks_ = num_tasks;
    next_task_ = 0;
    failure_ = nullptr;
    if (!alone) {
      ++generation_;
      idle_workers_ = 0;
    }
  }
  if (!alone) wake_.notify_all();
  drain();
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return idle_workers_ == static_cast<int>(workers_.size()); });
  if (failure_) std::rethrow_exception(failure_);
}

void ThreadPool::drain() {
  for (int i = next_task_++; i < num_tasks_; i = next_task_++) {
    try {
      (*task_)(i);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      next_task_ = num_tasks_;
    }
  }
}

void ThreadPool::work() {
  unsigned long seen = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
    }
    drain();
    const std::lock_guard lock(mutex_);
    if (++idle_workers_ == static_cast<int>(workers_.size())) done_.notify_one();
  }
}

}  // namespace flashjit::cpu
