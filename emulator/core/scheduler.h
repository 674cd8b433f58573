// Runs the fibers of one cluster of CTAs on one OS thread, in an order that the seed chooses. Owns
// the threads, who is ready and who waits for what; asynchronous hardware (TMA, wgmma, cp.async)
// registers itself and gets a step of its own at random moments.
#pragma once
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emu/device.h"
#include "fiber.h"
#include "options.h"
#include "random.h"

namespace flashjit::emu {

struct Thread {
  int tid = 0, warp = 0, lane = 0;  // counted through the cluster
  int cta = 0, index_in_cta = 0;    // its rank, and the thread counted there
  u32 meetings = 0;                 // operations of its warp and bar.syncs that it has come out of
  enum State { kReady, kBlocked, kDone } state = kReady;
  // What it waits for while blocked; `id` is a barrier's number or address.
  const char* wait_what = "";
  u32 wait_id = 0;
  Loc wait_loc;
};

// Hardware that works beside the threads.
class AsyncUnit {
 public:
  virtual ~AsyncUnit() = default;
  virtual bool has_work() const = 0;
  virtual void step(Random& random) = 0;  // lets one pending operation take effect
};

class Scheduler {
 public:
  Scheduler(int num_ctas, int num_threads, Stats& stats);  // threads of each

  void add_unit(AsyncUnit* unit) { units_.push_back(unit); }
  // Runs `body` in every thread to its end. Throws what a thread or a unit throws, a Failure when
  // nobody can go on (`who_waits` completes its text), and one after max_steps.
  void run(std::uint64_t seed,
           std::uint64_t max_steps,
           const std::function<void()>& body,
           const std::function<std::string()>& who_waits);

  // ---- from threads
  Thread& current() { return *current_; }
  bool in_thread() const { return current_ != nullptr; }
  void suspend();  // stays ready
  void block(const char* what, u32 id, const Loc& loc);
  // The two halves of block(), for operations that may be completed by the caller itself.
  void mark_blocked(const char* what, u32 id, const Loc& loc);
  void wait_until_woken();
  void wake(int tid);
  void preemption_point();

  std::vector<Thread>& threads() { return threads_; }
  bool has_ended(int cta) const { return live_in_cta_[static_cast<std::size_t>(cta)] == 0; }
  int num_warps() const { return static_cast<int>(warps_.size()); }
  Random& random() { return random_; }
  std::uint64_t steps() const { return steps_; }

 private:
  struct WarpState {
    u32 ready = ~0u;  // by lane
    int priority = 0;
  };
  struct Cancelled {};

  void start_threads(const std::function<void()>& body);
  void resume(Thread& thread);
  void run_warp(int warp);
  int pick_warp();
  bool step_units();
  void unwind();

  Stats& stats_;
  std::vector<Thread> threads_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<WarpState> warps_;
  std::vector<AsyncUnit*> units_;
  std::vector<int> ready_warps_;  // scratch of pick_warp
  Random random_;
  Thread* current_ = nullptr;
  int live_ = 0;
  std::vector<int> live_in_cta_;
  bool cancelled_ = false;
  std::exception_ptr failure_;
  std::uint64_t steps_ = 0, max_steps_ = 0;
  double preempt_chance_ = 0, async_chance_ = 0;
  bool strict_priority_ = false;
};

}  // namespace flashjit::emu
