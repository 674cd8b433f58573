#include "mbarriers.h"

#include <utility>

namespace flashjit::emu {

MBarriers::MBarriers(Context& cta) : cta_(cta) {
  cta.barrier_name = [this](int index) { return name(index); };
}

void MBarriers::reset() {
  barriers_.clear();
  last_waits_.assign(cta_.scheduler.threads().size(), Wait{});
}

std::string MBarriers::name(int index) const {
  for (const auto& [addr, barrier] : barriers_) {
    if (barrier.index != index) continue;
    return "#" + std::to_string(index) + " at " + cta_.smem_name(Context::offset_of(addr)) +
           ", phase " + std::to_string(barrier.phase);
  }
  return "#" + std::to_string(index);
}

MBarriers::Barrier& MBarriers::at(u32 addr, const Loc& loc) {
  const auto found = barriers_.find(addr);
  if (found == barriers_.end()) {
    cta_.fail("mbarrier",
              cta_.smem_name(Context::offset_of(addr)) + " holds no initialised mbarrier",
              loc);
  }
  Barrier& barrier = found->second;
  if (!cta_.order.knows(cta_.tid(), barrier.init_thread, barrier.init_time)) {
    cta_.fail("race",
              "mbarrier " + name(barrier.index) + " is used without order after its init by " +
                  cta_.thread_name(barrier.init_thread),
              loc);
  }
  return barrier;
}

MBarriers::Barrier& MBarriers::own(u32 addr, const Loc& loc) {
  cta_.check_own(addr, loc);
  return at(addr, loc);
}

void MBarriers::init(u32 addr, u32 count, const Loc& loc) {
  cta_.smem(addr, 8, 8, loc);
  if (barriers_.count(addr)) cta_.fail("mbarrier", "the mbarrier is initialised twice", loc);
  if (count == 0 || count >= 1u << 20) cta_.fail("mbarrier", "bad arrival count", loc);
  if (barriers_.size() == kMaxBarriers) {
    cta_.fail("launch", "the emulator knows at most 64 mbarriers", loc);
  }
  Barrier barrier;
  barrier.addr = addr;
  barrier.count = count;
  barrier.pending = count;
  barrier.index = static_cast<int>(barriers_.size());
  barrier.arriving = cta_.order.gather();
  barrier.init_thread = cta_.tid();
  barrier.init_time = cta_.order.time_of(cta_.tid());
  const auto warps = static_cast<std::size_t>(cta_.scheduler.num_warps());
  barrier.ever_arrived.resize(warps);
  barrier.ever_waited.resize(warps);
  barriers_[addr] = std::move(barrier);
}

void MBarriers::complete_phase(Barrier& barrier) {
  if (barrier.pending != 0 || barrier.tx != 0) return;
  barrier.phase ^= 1;
  barrier.completed_loads = barrier.loads;
  barrier.pending = barrier.count;
  barrier.completed = cta_.order.snapshot(barrier.arriving);
  barrier.before_last = std::exchange(barrier.last, {});
  barrier.last = {std::exchange(barrier.arrivals, {}), barrier.loads};
  for (int tid : barrier.waiters) cta_.scheduler.wake(tid);
  barrier.waiters.clear();
}

void MBarriers::arrive(u32 addr, u32 expect_tx, const Loc& loc) {
  cta_.scheduler.preemption_point();
  count_arrival(own(addr, loc), expect_tx, loc);
}

void MBarriers::arrive_cluster(u32 addr, const Loc& loc) {
  cta_.scheduler.preemption_point();
  Barrier& barrier = at(addr, loc);
  const int rank = Context::rank_of(addr);
  if (rank != cta_.cta()) {
    cta_.check_runs(rank, "an arrival at mbarrier " + name(barrier.index), loc);
    barrier.from_outside[cta_.tid()] = {cta_.tid(), cta_.order.time_of(cta_.tid())};
    barrier.outside_loc = loc;
  }
  count_arrival(barrier, 0, loc);
}

void MBarriers::count_arrival(Barrier& barrier, u32 expect_tx, const Loc& loc) {
  barrier.tx += expect_tx;
  if (--barrier.pending < 0) {
    cta_.fail("mbarrier",
              "more arrivals at mbarrier " + name(barrier.index) + " than its count of " +
                  std::to_string(barrier.count),
              loc);
  }
  check_phase_of_arrival(barrier, expect_tx > 0, loc);
  check_warp_has_waited(barrier, loc);
  barrier.arrivals.push_back({cta_.tid(), cta_.order.time_of(cta_.tid())});
  barrier.ever_arrived[static_cast<std::size_t>(cta_.warp())] |= 1u << cta_.lane();
  cta_.order.release(cta_.tid(), barrier.arriving);
  complete_phase(barrier);
}

// Whether the calling thread comes after the completion of the round.
bool MBarriers::knows(const Barrier& barrier, const Barrier::Round& round) const {
  for (const Barrier::Arrival& arrival : round.arrivals) {
    if (!cta_.order.comes_after(cta_.tid(), arrival.tid, arrival.time)) return false;
  }
  return cta_.order.knows_load(cta_.tid(), barrier.index, round.loads);
}

// An arrival belongs to the phase that it meets. One that is not ordered after the phase before
// counts for that one under another schedule, in the place of somebody who is not done. Who expects
// bytes must come after those of the phase before, too; others need not know of loads.
void MBarriers::check_phase_of_arrival(const Barrier& barrier, bool expects_bytes, const Loc& loc) {
  if (knows(barrier, {barrier.last.arrivals, expects_bytes ? barrier.last.loads : 0})) return;
  cta_.fail("mbarrier",
            "an arrival at mbarrier " + name(barrier.index) +
                " without order after the phase before: it may count for that one",
            loc);
}

// A parity names every second phase. A wait that is not ordered after the phase before is over at
// once under another schedule, by the phase before that.
void MBarriers::check_phase_of_wait(const Barrier& barrier, u32 parity, const Loc& loc) {
  const bool completed = barrier.phase != (parity & 1);
  if (knows(barrier, completed ? barrier.before_last : barrier.last)) return;
  cta_.fail("mbarrier",
            "a wait for mbarrier " + name(barrier.index) +
                " without order after the phase before: it may be over at once, by an older one "
                "of the same parity",
            loc);
}

// A lane that arrives for its warp as soon as it has waited itself: the others may still stand
// before the same wait, and miss the phase when the next one completes. Something that all lanes
// take part in must lie between. Judged once the barrier has completed, so that it is known which
// lanes arrive at it.
void MBarriers::check_warp_has_waited(const Barrier& barrier, const Loc& loc) {
  const Thread& me = cta_.scheduler.current();
  const Wait& wait = last_waits_[static_cast<std::size_t>(me.tid)];
  if (!wait.any || wait.meetings != me.meetings || barrier.last.arrivals.empty()) return;
  const auto warp = static_cast<std::size_t>(me.warp);
  const Barrier& waited = barriers_.at(wait.addr);
  if ((waited.ever_waited[warp] & ~barrier.ever_arrived[warp] & ~(1u << me.lane)) == 0) return;
  cta_.fail("mbarrier",
            "one lane arrives at mbarrier " + name(barrier.index) +
                " for its warp, whose other lanes may not have seen the phase of mbarrier " +
                name(waited.index) + " that it has just waited for",
            loc);
}

bool MBarriers::try_wait(u32 addr, u32 parity, const Loc& loc) {
  cta_.scheduler.preemption_point();
  Barrier& barrier = own(addr, loc);
  check_phase_of_wait(barrier, parity, loc);
  if (cta_.scheduler.random().chance(0.02)) {  // the ISA allows it: callers must loop
    cta_.scheduler.suspend();
    return false;
  }
  if (barrier.phase == (parity & 1)) {  // the phase of that parity has not completed yet
    barrier.waiters.push_back(cta_.tid());
    cta_.scheduler.block(parity & 1 ? "mbarrier parity 1" : "mbarrier parity 0", addr, loc);
    if (barrier.phase == (parity & 1)) return false;
  }
  barrier.seen_loads = barrier.completed_loads;
  const Thread& me = cta_.scheduler.current();
  last_waits_[static_cast<std::size_t>(me.tid)] = {addr, me.meetings, true};
  barrier.ever_waited[static_cast<std::size_t>(me.warp)] |= 1u << me.lane;
  if (barrier.completed) cta_.order.acquire(cta_.tid(), barrier.completed);
  return true;
}

MBarriers::Ticket MBarriers::begin_load(u32 addr, bool multicast, const Loc& loc) {
  Barrier& barrier = at(addr, loc);
  if (!cta_.order.async_proxy_knows(cta_.tid(), barrier.init_thread, barrier.init_time)) {
    cta_.fail("race",
              "the init of mbarrier " + name(barrier.index) +
                  " is not known to the async proxy: fence.mbarrier_init or fence.proxy.async is "
                  "missing",
              loc);
  }
  barrier.load_loc = loc;
  return {cta_.order.entities().tma_load(barrier.index),
          ++barrier.loads,
          multicast ? cta_.order.passed_before(cta_.tid()) : nullptr};
}

void MBarriers::complete_tx(u32 addr, u32 bytes, const Ticket& ticket) {
  Barrier& barrier = barriers_.at(addr);
  barrier.tx -= bytes;
  cta_.order.load_completed(barrier.arriving, barrier.index, ticket.time);
  if (ticket.passed) barrier.arriving.sum.passed.join(*ticket.passed);
  complete_phase(barrier);
}

void MBarriers::check_finished() {
  for (const auto& [addr, barrier] : barriers_) {
    check_arrivals_end(barrier);
    if (barrier.seen_loads == barrier.loads) continue;
    cta_.fail("leak",
              "the CTA ends with a TMA load in flight on mbarrier " + name(barrier.index),
              barrier.load_loc);
  }
}

// An arrival of which no thread of the barrier's CTA knows when it ends comes after the CTA's end
// under another schedule.
void MBarriers::check_arrivals_end(const Barrier& barrier) {
  const int first = Context::rank_of(barrier.addr) * cta_.threads_of_cta();
  for (const auto& [tid, arrival] : barrier.from_outside) {
    bool known = false;
    for (int i = 0; i < cta_.threads_of_cta() && !known; ++i) {
      known = cta_.order.comes_after(first + i, tid, arrival.time);
    }
    if (known) continue;
    cta_.fail("leak",
              "an arrival of " + cta_.thread_name(tid) + " at mbarrier " + name(barrier.index) +
                  " may come after the end of the CTA, none of whose threads knows of it",
              barrier.outside_loc);
  }
}

std::string MBarriers::state() const {
  std::string text;
  for (const auto& [addr, barrier] : barriers_) {
    text += "    mbarrier " + name(barrier.index) + ": " + std::to_string(barrier.pending) +
            " of " + std::to_string(barrier.count) + " arrivals and " + std::to_string(barrier.tx) +
            " bytes missing\n";
  }
  return text;
}

}  // namespace flashjit::emu
