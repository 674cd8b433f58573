#include "barriers.h"

#include <utility>

namespace flashjit::emu {
namespace {

// `waiters` go on, and know what has arrived.
void release(Context& cta, const std::vector<int>& waiters, const Gathering& arriving) {
  const Snapshot arrived = cta.order.snapshot(arriving);
  for (int tid : waiters) {
    ++cta.scheduler.threads()[static_cast<std::size_t>(tid)].meetings;
    cta.order.acquire(tid, arrived);
    cta.scheduler.wake(tid);
  }
}

}  // namespace

// ---- named barriers

void NamedBarriers::reset() {
  barriers_.resize(static_cast<std::size_t>(kPerCta * cta_.num_ctas()));
  last_flags_.resize(barriers_.size());
  for (Barrier& barrier : barriers_) {
    barrier = Barrier{};
    barrier.arriving = cta_.order.gather();
  }
}

NamedBarriers::Barrier& NamedBarriers::at(int id, int threads, const Loc& loc) {
  const std::string name = "barrier " + std::to_string(id);
  if (id < 0 || id >= kPerCta) cta_.fail("barrier", name + " does not exist", loc);
  if (threads <= 0 || threads % 32 || threads > cta_.threads_of_cta()) {
    cta_.fail("barrier", name + " with a bad thread count of " + std::to_string(threads), loc);
  }
  Barrier& barrier = barriers_[index(id)];
  if (barrier.arrived && barrier.threads != threads) {
    cta_.fail("barrier",
              name + " is used with " + std::to_string(barrier.threads) + " and with " +
                  std::to_string(threads) + " threads",
              loc);
  }
  barrier.threads = threads;
  return barrier;
}

void NamedBarriers::arrive(int id, int threads, const Loc& loc) {
  Barrier& barrier = at(id, threads, loc);
  cta_.order.release(cta_.tid(), barrier.arriving);
  if (++barrier.arrived < threads) return;
  release(cta_, barrier.waiters, barrier.arriving);
  last_flags_[index(id)] = barrier.any_flag;
  barrier = Barrier{};
  barrier.arriving = cta_.order.gather();
}

bool NamedBarriers::sync(int id, int threads, bool flag, const Loc& loc) {
  cta_.scheduler.preemption_point();
  Barrier& barrier = at(id, threads, loc);
  barrier.waiters.push_back(cta_.tid());
  barrier.any_flag = barrier.any_flag || flag;
  cta_.scheduler.mark_blocked("bar.sync", static_cast<u32>(id), loc);
  arrive(id, threads, loc);  // the last one wakes itself
  cta_.scheduler.wait_until_woken();
  return last_flags_[index(id)];
}

std::string NamedBarriers::state() const {
  std::string text;
  for (std::size_t i = 0; i < barriers_.size(); ++i) {
    const Barrier& barrier = barriers_[i];
    if (!barrier.arrived) continue;
    text += "    barrier " + std::to_string(i % kPerCta) +
            cta_.of_cta(static_cast<int>(i) / kPerCta) + ": " + std::to_string(barrier.arrived) +
            " of " + std::to_string(barrier.threads) + " threads have arrived\n";
  }
  return text;
}

// ---- the cluster's barrier

void ClusterBarrier::reset() {
  threads_ = cta_.scheduler.threads().size();
  arriving_ = cta_.order.gather();
  waiters_.clear();
}

void ClusterBarrier::sync(const Loc& loc) {
  cta_.scheduler.preemption_point();
  cta_.order.release(cta_.tid(), arriving_);
  waiters_.push_back(cta_.tid());
  cta_.scheduler.mark_blocked("barrier.cluster", 0, loc);
  if (waiters_.size() == threads_) complete();
  cta_.scheduler.wait_until_woken();
}

// A thread that has ended arrives no more, and has published nothing.
void ClusterBarrier::leave() {
  --threads_;
  if (!waiters_.empty() && waiters_.size() == threads_) complete();
}

void ClusterBarrier::complete() {
  release(cta_, waiters_, arriving_);
  arriving_ = cta_.order.gather();
  waiters_.clear();
}

std::string ClusterBarrier::state() const {
  if (waiters_.empty()) return "";
  return "    barrier of the cluster: " + std::to_string(waiters_.size()) + " of " +
         std::to_string(threads_) + " threads have arrived\n";
}

}  // namespace flashjit::emu
