// The named barriers of each CTA and the barrier of the cluster, and the order that they make.
#pragma once
#include <string>
#include <vector>

#include "context.h"

namespace flashjit::emu {

// bar.sync, bar.red.or and bar.arrive, 0 … 15 of each CTA. Every thread counts for one, as on the
// GPU every warp for 32.
class NamedBarriers {
 public:
  explicit NamedBarriers(Context& cta) : cta_(cta) { reset(); }
  void reset();
  // Whether any thread came with `flag`.
  bool sync(int id, int threads, bool flag, const Loc& loc);
  void arrive(int id, int threads, const Loc& loc);
  std::string state() const;  // one line for each barrier in use

 private:
  struct Barrier {
    int threads = 0, arrived = 0;
    Gathering arriving;
    std::vector<int> waiters;
    bool any_flag = false;
  };
  static constexpr int kPerCta = 16;
  // Of the CTA of the thread that runs.
  std::size_t index(int id) {
    return std::size_t{kPerCta} * static_cast<std::size_t>(cta_.cta()) +
           static_cast<std::size_t>(id);
  }
  Barrier& at(int id, int threads, const Loc& loc);

  Context& cta_;
  std::vector<Barrier> barriers_;
  // Of the last completion; stands until all waiters have read it, for a barrier cannot complete
  // again without them.
  std::vector<bool> last_flags_;
};

// barrier.cluster, arrive and wait in one: all threads of the cluster that have not ended.
class ClusterBarrier {
 public:
  explicit ClusterBarrier(Context& cta) : cta_(cta) { reset(); }
  void reset();
  void sync(const Loc& loc);
  void leave();  // at the end of a thread
  std::string state() const;

 private:
  void complete();

  Context& cta_;
  std::size_t threads_ = 0;  // that have not ended
  Gathering arriving_;
  std::vector<int> waiters_;
};

}  // namespace flashjit::emu
