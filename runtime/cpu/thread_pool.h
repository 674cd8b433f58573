// A few threads that run the tasks of one call. The caller works too, so a pool of one has no
// thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace flashjit::cpu {

class ThreadPool {
 public:
  // 0: one per core that this process may use.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(0) … task(num_tasks - 1), in any order, and returns when all are done. Tasks are
  // handed out one at a time, so unequal ones balance. Calls from several threads take turns. If
  // tasks throw, the rest of the tasks is skipped and the first exception is thrown here.
  void run(int num_tasks, const std::function<void(int)>& task);

 private:
  void work();
  void drain();

  std::mutex call_mutex_;  // one run() at a time
  std::mutex mutex_;       // guards what follows
  std::condition_variable wake_, done_;
  const std::function<void(int)>* task_ = nullptr;
  unsigned long generation_ = 0;  // one more for each run()
  int idle_workers_ = 0;          // workers that have left the current run
  bool stop_ = false;
  std::exception_ptr failure_;

  std::atomic<int> next_task_ = 0;
  int num_tasks_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace flashjit::cpu
