// The tensor memory accelerator: loads that complete on an mbarrier, into one CTA or several,
// stores that complete by bulk groups, boxes of up to five dimensions. An operation takes effect at
// a random moment; the destination of a load is poisoned until then.
#pragma once
#include <vector>

#include "global_stores.h"
#include "mbarriers.h"
#include "tensor_map.h"

namespace flashjit::emu {

class Tma final : public AsyncUnit {
 public:
  Tma(Context& cta, MBarriers& mbarriers, GlobalStores& stores)
      : cta_(cta), mbarriers_(mbarriers), stores_(stores) {
    cta.scheduler.add_unit(this);
  }
  void reset();
  void begin_ctas(unsigned first_number) { first_cta_ = first_number; }

  void load(u32 dst, const TensorMap* map, u32 bar, const int (&coords)[5], const Loc& loc);
  // Into every CTA of the cluster whose bit is set in `ctas`, each with a load of its own.
  void load_multicast(
      u32 dst, const TensorMap* map, u32 bar, const int (&coords)[5], u32 ctas, const Loc& loc);
  void store(const TensorMap* map, u32 src, const int (&coords)[5], const Loc& loc);
  void commit(const Loc& loc);
  void wait(int keep, const Loc& loc);  // bulk groups
  void check_finished();                // at the end of the CTA

  bool has_work() const override { return !pending_.empty(); }
  void step(Random& random) override;

 private:
  struct Operation {
    bool is_store;
    TensorMapFields map;
    u32 smem;
    int coords[5];
    u32 bar = 0;  // loads
    MBarriers::Ticket ticket{};
    int warp = 0;  // stores
    u32 group = 0;
    Loc loc;
  };
  // Bulk groups belong to a thread; the emulator keeps those of one thread in each warp.
  struct Groups {
    int owner = -1;  // tid
    u32 open = 1;    // number of the open group: the time of the warp's store entity
    u32 last_store = 0, waited = 0;  // groups: of the last store, and waited for
    Loc last_loc;                    // of a store
  };
  Groups& groups_of_thread(const char* op, const Loc& loc);
  TensorMapFields checked(const TensorMap* map, const Loc& loc);
  void begin_load(Operation op, bool multicast);
  void execute(const Operation& operation);
  void check_stored_once(const Operation& operation);
  // part(shared address, bytes): what the operation touches, without the gaps between short rows
  template <class Part>
  static void for_each_part(const Operation& operation, Part&& part);
  template <class Row>
  static void for_each_row(const Operation& operation, Row&& row);

  Context& cta_;
  MBarriers& mbarriers_;
  GlobalStores& stores_;    // of the launch
  unsigned first_cta_ = 0;  // of the cluster: its number in the grid
  std::vector<Operation> pending_;
  std::vector<Groups> groups_;  // by warp
};

}  // namespace flashjit::emu
