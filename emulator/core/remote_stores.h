// st.async: stores into the shared memory of any CTA of a cluster that complete on an mbarrier of
// that CTA, each at a random moment; until then the destination is poisoned.
#pragma once
#include <vector>

#include "mbarriers.h"

namespace flashjit::emu {

class RemoteStores final : public AsyncUnit {
 public:
  RemoteStores(Context& cta, MBarriers& mbarriers) : cta_(cta), mbarriers_(mbarriers) {
    cta.scheduler.add_unit(this);
  }
  void reset() { pending_.clear(); }

  void store(u32 addr, u32 value, u32 bar, const Loc& loc);

  bool has_work() const override { return !pending_.empty(); }
  void step(Random& random) override;

 private:
  struct Store {
    u32 addr, value, bar;
    MBarriers::Ticket ticket;
    Loc loc;
  };

  Context& cta_;
  MBarriers& mbarriers_;
  std::vector<Store> pending_;
};

}  // namespace flashjit::emu
