#include "scheduler.h"

#include <bit>

namespace flashjit::emu {

Scheduler::Scheduler(int num_ctas, int num_threads, Stats& stats)
    : stats_(stats),
      threads_(static_cast<std::size_t>(num_ctas * num_threads)),
      warps_(threads_.size() / 32),
      live_in_cta_(static_cast<std::size_t>(num_ctas)) {
  for (std::size_t i = 0; i < threads_.size(); ++i) fibers_.push_back(std::make_unique<Fiber>());
}

void Scheduler::run(std::uint64_t seed,
                    std::uint64_t max_steps,
                    const std::function<void()>& body,
                    const std::function<std::string()>& who_waits) {
  // A seed picks a style of schedule: how often warps are preempted, how late asynchronous work
  // takes effect (0: only when somebody waits for it), and whether warps run by priority.
  constexpr double kPreempt[] = {0.0005, 0.005, 0.05, 0.3}, kAsync[] = {0, 0.002, 0.05, 0.9};
  random_.seed(seed);
  preempt_chance_ = kPreempt[random_.below(4)];
  async_chance_ = kAsync[random_.below(4)];
  strict_priority_ = random_.below(2);
  steps_ = 0;
  max_steps_ = max_steps;
  start_threads(body);
  while (live_ > 0 && !failure_) {
    try {
      const int warp = pick_warp();
      if (warp < 0) {
        if (!step_units()) throw Failure("deadlock", "every thread waits\n" + who_waits());
        continue;
      }
      if (random_.chance(async_chance_)) step_units();
      run_warp(warp);
      if (steps_ > max_steps_ && !failure_) {
        throw Failure("steps",
                      "the CTA has not ended after " + std::to_string(max_steps_) +
                          " steps; taken to loop for ever\n" + who_waits());
      }
    } catch (...) {
      if (!failure_) failure_ = std::current_exception();
    }
  }
  if (failure_) {
    unwind();
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void Scheduler::start_threads(const std::function<void()>& body) {
  live_ = static_cast<int>(threads_.size());
  const int threads_of_cta = live_ / static_cast<int>(live_in_cta_.size());
  live_in_cta_.assign(live_in_cta_.size(), threads_of_cta);
  cancelled_ = false;
  failure_ = nullptr;
  for (WarpState& warp : warps_) warp = {~0u, static_cast<int>(random_.below(1000))};
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    Thread& thread = threads_[i];
    thread = Thread{};
    thread.tid = static_cast<int>(i);
    thread.warp = thread.tid / 32;
    thread.lane = thread.tid % 32;
    thread.cta = thread.tid / threads_of_cta;
    thread.index_in_cta = thread.tid % threads_of_cta;
    fibers_[i]->start([this, &thread, &body] {
      try {
        if (!cancelled_) body();
      } catch (const Cancelled&) {
      } catch (...) {
        if (!failure_) failure_ = std::current_exception();
      }
      thread.state = Thread::kDone;
      --live_;
      --live_in_cta_[static_cast<std::size_t>(thread.cta)];
    });
  }
}

void Scheduler::resume(Thread& thread) {
  current_ = &thread;
  ++stats_.switches;
  ++steps_;
  fibers_[static_cast<std::size_t>(thread.tid)]->resume();
  current_ = nullptr;
  if (thread.state == Thread::kDone) {
    warps_[static_cast<std::size_t>(thread.warp)].ready &= ~(1u << thread.lane);
  }
}

int Scheduler::pick_warp() {
  ready_warps_.clear();
  for (int w = 0; w < num_warps(); ++w) {
    if (warps_[static_cast<std::size_t>(w)].ready) ready_warps_.push_back(w);
  }
  if (ready_warps_.empty()) return -1;
  int best = ready_warps_[random_.below(ready_warps_.size())];
  if (strict_priority_) {
    for (int w : ready_warps_) {
      if (warps_[static_cast<std::size_t>(w)].priority >
          warps_[static_cast<std::size_t>(best)].priority) {
        best = w;
      }
    }
  }
  if (random_.chance(0.05)) {  // no warp stays in front for ever
    warps_[static_cast<std::size_t>(best)].priority = static_cast<int>(random_.below(1000));
  }
  return best;
}

// Lanes of the warp in random order until all of them wait or another warp gets its turn.
void Scheduler::run_warp(int warp) {
  WarpState& state = warps_[static_cast<std::size_t>(warp)];
  while (state.ready && !failure_) {
    const unsigned rotate = random_.below(32);
    const unsigned lane =
        (static_cast<unsigned>(std::countr_zero(std::rotr(state.ready, static_cast<int>(rotate)))) +
         rotate) &
        31;
    resume(threads_[static_cast<std::size_t>(warp) * 32 + lane]);
    if (steps_ > max_steps_ || random_.chance(preempt_chance_)) break;
    if (async_chance_ > 0 && random_.chance(async_chance_ * 0.1)) step_units();
  }
}

bool Scheduler::step_units() {
  std::size_t busy = 0;
  for (AsyncUnit* unit : units_) busy += unit->has_work();
  if (busy == 0) return false;
  std::size_t pick = random_.below(busy);
  for (AsyncUnit* unit : units_) {
    if (unit->has_work() && pick-- == 0) {
      ++steps_;
      unit->step(random_);
      return true;
    }
  }
  return false;
}

// Every fiber leaves its kernel by an exception, so that the stacks can be used again.
void Scheduler::unwind() {
  cancelled_ = true;
  for (Thread& thread : threads_) {
    while (thread.state != Thread::kDone) resume(thread);
  }
}

void Scheduler::suspend() {
  fibers_[static_cast<std::size_t>(current_->tid)]->suspend();
  if (cancelled_) throw Cancelled{};
}

void Scheduler::block(const char* what, u32 id, const Loc& loc) {
  mark_blocked(what, id, loc);
  suspend();
}

void Scheduler::mark_blocked(const char* what, u32 id, const Loc& loc) {
  Thread& thread = *current_;
  thread.state = Thread::kBlocked;
  thread.wait_what = what;
  thread.wait_id = id;
  thread.wait_loc = loc;
  warps_[static_cast<std::size_t>(thread.warp)].ready &= ~(1u << thread.lane);
}

void Scheduler::wait_until_woken() {
  if (current_->state == Thread::kBlocked) suspend();
}

void Scheduler::wake(int tid) {
  Thread& thread = threads_[static_cast<std::size_t>(tid)];
  thread.state = Thread::kReady;
  warps_[static_cast<std::size_t>(thread.warp)].ready |= 1u << thread.lane;
}

void Scheduler::preemption_point() {
  if (++steps_ > max_steps_ || random_.chance(preempt_chance_)) suspend();
}

}  // namespace flashjit::emu
