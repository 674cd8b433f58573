// The mbarriers of a cluster, each in the shared memory of one CTA, and the order that they make.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "context.h"

namespace flashjit::emu {

class MBarriers {
 public:
  explicit MBarriers(Context& cta);
  void reset();

  void init(u32 addr, u32 count, const Loc& loc);
  void arrive(u32 addr, u32 expect_tx, const Loc& loc);
  void arrive_cluster(u32 addr, const Loc& loc);  // in any CTA of the cluster
  bool try_wait(u32 addr, u32 parity, const Loc& loc);

  // A TMA load that will complete on the barrier: its entity and the time of this load.
  struct Ticket {
    int entity;
    u32 time;
    std::shared_ptr<const Clock> passed;  // of a multicast: before its issue
  };
  // The barrier may be in any CTA; of a multicast the issuer's may be in another one.
  Ticket begin_load(u32 addr, bool multicast, const Loc& loc);
  void complete_tx(u32 addr, u32 bytes, const Ticket& ticket);
  // At the end of the CTAs: somebody must have waited for the phase of every load, and know of
  // every arrival from another CTA.
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
    std::map<int, Arrival> from_outside;         // the last one of each thread of another CTA
    Loc outside_loc;                             // of the last of those
  };
  struct Wait {  // the last one that a thread has come out of
    u32 addr = 0, meetings = 0;
    bool any = false;
  };
  Barrier& at(u32 addr, const Loc& loc);
  Barrier& own(u32 addr, const Loc& loc);  // of the CTA of the thread that runs
  void count_arrival(Barrier& barrier, u32 expect_tx, const Loc& loc);
  bool knows(const Barrier& barrier, const Barrier::Round& round) const;
  void check_phase_of_arrival(const Barrier& barrier, bool expects_bytes, const Loc& loc);
  void check_phase_of_wait(const Barrier& barrier, u32 parity, const Loc& loc);
  void check_warp_has_waited(const Barrier& barrier, const Loc& loc);
  void complete_phase(Barrier& barrier);
  void check_arrivals_end(const Barrier& barrier);
  std::string name(int index) const;

  Context& cta_;
  std::map<u32, Barrier> barriers_;
  std::vector<Wait> last_waits_;  // by thread
};

}  // namespace flashjit::emu
