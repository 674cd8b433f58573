// cp.async: each thread has a queue of copies and groups of them. A copy lands at a random moment
// between its issue and the wait for its group; until then its destination is poisoned.
#pragma once
#include <deque>
#include <vector>

#include "context.h"

namespace flashjit::emu {

class CpAsync final : public AsyncUnit {
 public:
  explicit CpAsync(Context& cta) : cta_(cta) { cta.scheduler.add_unit(this); }
  void reset();

  void copy(u32 dst, const void* src, int bytes, int src_bytes, const Loc& loc);
  void commit();
  void wait(int keep, const Loc& loc);
  void check_finished();  // at the end of the CTA

  bool has_work() const override { return !pending_.empty(); }
  void step(Random& random) override;

 private:
  struct Copy {
    u32 dst;
    const void* src;
    int bytes, src_bytes;
    Loc loc;
  };
  struct Queue {
    std::deque<Copy> copies;
    std::deque<std::size_t> groups;  // copies in each committed group, oldest first
    std::size_t open = 0;            // copies that are not committed yet
    u32 committed = 0;               // groups so far: the time of this thread's cp.async entity
    Loc last_loc;                    // of a copy
  };
  void land_one(Queue& queue);
  void forget_if_empty(int tid);

  Context& cta_;
  std::vector<Queue> queues_;  // by thread
  std::vector<int> pending_;   // threads with copies in flight
};

}  // namespace flashjit::emu
