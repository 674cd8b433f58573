#include "remote_stores.h"

#include <cstring>

namespace flashjit::emu {

void RemoteStores::store(u32 addr, u32 value, u32 bar, const Loc& loc) {
  cta_.scheduler.preemption_point();
  u8* to = cta_.cluster_smem(addr, sizeof value, sizeof value, loc);
  const int rank = Context::rank_of(addr);
  if (Context::rank_of(bar) != rank) {
    cta_.fail("cluster", "an st.async and its mbarrier are in different CTAs", loc);
  }
  cta_.check_runs(rank, "an st.async into shared memory", loc);
  const MBarriers::Ticket ticket = mbarriers_.begin_load(bar, true, loc);
  cta_.order.write_for(
      cta_.tid(), ticket.entity, ticket.time, false, Context::offset_of(addr), sizeof value, loc);
  if (cta_.options.poison) std::memset(to, 0xFF, sizeof value);
  pending_.push_back({addr, value, bar, ticket, loc});
}

void RemoteStores::step(Random& random) {
  const auto i = static_cast<std::ptrdiff_t>(random.below(pending_.size()));
  const Store store = pending_[static_cast<std::size_t>(i)];
  pending_.erase(pending_.begin() + i);
  cta_.check_runs(Context::rank_of(store.addr), "an st.async into shared memory", store.loc);
  std::memcpy(cta_.cluster_smem(store.addr, sizeof store.value, sizeof store.value, store.loc),
              &store.value,
              sizeof store.value);
  mbarriers_.complete_tx(store.bar, sizeof store.value, store.ticket);
}

}  // namespace flashjit::emu
