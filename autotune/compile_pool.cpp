#include "autotune/compile_pool.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <system_error>

namespace flashjit {

CompilePool::CompilePool(int threads) {
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    if (threads_.empty()) throw;  // else those that there are do it
  }
}

CompilePool::~CompilePool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void CompilePool::submit(Lane lane, std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_[static_cast<std::size_t>(lane)].push_back(std::move(job));
  }
  changed_.notify_one();
}

void CompilePool::work() {
  while (true) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !jobs_[0].empty() || !jobs_[1].empty(); });
      if (stopping_) return;
      auto& lane = jobs_[0].empty() ? jobs_[1] : jobs_[0];
      job = std::move(lane.front());
      lane.pop_front();
    }
    // A job that has a result says in it what went wrong; one that cannot even do that, for lack of
    // memory, ends alone: the program goes on.
    try {
      job();
    } catch (const std::exception&) {
    }
  }
}

// Shared with the jobs, which may still wait in the pool when the queue is gone.
struct CompileQueue::State {
  std::function<std::string(const Tiling&)> compile;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Done> done;
  std::size_t outstanding = 0;  // not handed over yet
  int running = 0;
  bool abandoned = false;

  void run(const Tiling& tiling) {
    {
      const std::lock_guard lock(mutex);
      if (abandoned) return;
      ++running;
    }
    std::string error;
    try {
      error = compile(tiling);
    } catch (const std::exception& thrown) {
      error = thrown.what();
    }
    {
      const std::lock_guard lock(mutex);
      --running;
      done.push_back({tiling, std::move(error)});
    }
    changed.notify_all();
  }
};

CompileQueue::CompileQueue(CompilePool& pool,
                           const std::vector<Tiling>& tilings,
                           std::function<std::string(const Tiling&)> compile)
    : state_(std::make_shared<State>()) {
  state_->compile = std::move(compile);
  state_->outstanding = tilings.size();
  for (const Tiling& tiling : tilings) {
    pool.submit(CompilePool::Lane::kNow, [state = state_, tiling] { state->run(tiling); });
  }
}

CompileQueue::~CompileQueue() {
  std::unique_lock lock(state_->mutex);
  state_->abandoned = true;
  state_->changed.wait(lock, [this] { return state_->running == 0; });
}

std::vector<CompileQueue::Done> CompileQueue::next(std::size_t max,
                                                   const std::function<bool()>& stopped) {
  // Ctrl-C and deadlines wake nobody, so they are looked at this often.
  constexpr std::chrono::milliseconds kLook(50);
  std::unique_lock lock(state_->mutex);
  if (state_->outstanding == 0) return {};
  while (!state_->changed.wait_for(lock, kLook, [this] { return !state_->done.empty(); })) {
    if (stopped()) return {};
  }
  const std::size_t count = std::min(max, state_->done.size());
  std::vector<Done> taken;
  for (std::size_t i = 0; i < count; ++i) {
    taken.push_back(std::move(state_->done.front()));
    state_->done.pop_front();
  }
  state_->outstanding -= count;
  return taken;
}

}  // namespace flashjit
