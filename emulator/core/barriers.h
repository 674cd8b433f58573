// Named barriers and mbarriers of a CTA, and the order that they make.
#pragma once
#include <array>
#include <map>
#include <string>
#include <vector>

#include "context.h"

namespace flashjit::emu {

// bar.sync, bar.red.or and bar.arrive, 0 … 15. Every thread counts for one, as on the GPU every
// warp for 32.
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
  Barrier& at(int id, int threads, const Loc& loc);

  Context& cta_;
  std::array<Barrier, 16> barriers_;
  // Of the last completion; stands until all waiters have read it, for a barrier cannot complete
  // again without them.
  std::array<bool, 16> last_flags_{};
};

class MBarriers {
 public:
  explicit MBarriers(Context& cta);
  void reset();

  void init(u32 addr, u32 count, const Loc& loc);
  void arrive(u32 addr, u32 expect_tx, const Loc& loc);
  bool try_wait(u32 addr, u32 parity, const Loc& loc);

  // A TMA load that will complete on the barrier: its entity and the time of this load.
  struct Ticket {
    int entity;
    u32 time;
  };
  Ticket begin_load(u32 addr, const Loc& loc);
  void complete_tx(u32 addr, u32 bytes, const Ticket& ticket);
  // At the end of the CTA: somebody must have waited for the phase of every load.
  void check_finished();

  std::string state() const;

 private:
  struct Barrier {
    u32 addr = 0, count = 0;
    i64 pending = 0, tx = 0;  // arrivals and bytes that the phase still waits for
    u32 phase = 0;
    int index = 0;
    u32 loads = 0, completed_loads = 0, seen_loads = 0;  // seen: by a thread that waited
    Loc load_loc;                                        // of the last one
    Gathering arriving;
    Snapshot completed;  // what the completed phases have gathered
    int init_thread = 0;
    u32 init_time = 0;
    std::vector<int> waiters;
    struct Arrival {
      int tid;
      u32 time;
    };
    struct Round {
      std::vector<Arrival> arrivals;
      u32 loads = 0;  // of TMA, up to its end
    };
    std::vector<Arrival> arrivals;               // of this phase
    Round last, before_last;                     // completed
    std::vector<u32> ever_arrived, ever_waited;  // lanes, by warp
  };
  struct Wait {  // the last one that a thread has come out of
    u32 addr = 0, meetings = 0;
    bool any = false;
  };
  Barrier& at(u32 addr, const Loc& loc);
  bool knows(const Barrier& barrier, const Barrier::Round& round) const;
  void check_phase_of_arrival(const Barrier& barrier, const Loc& loc);
  void check_phase_of_wait(const Barrier& barrier, u32 parity, const Loc& loc);
  void check_warp_has_waited(const Barrier& barrier, const Loc& loc);
  void complete_phase(Barrier& barrier);
  std::string name(int index) const;

  Context& cta_;
  std::map<u32, Barrier> barriers_;
  std::vector<Wait> last_waits_;  // by thread
};

}  // namespace flashjit::emu
