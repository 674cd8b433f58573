// Operations that the lanes of a warp carry out together: each lane arrives with its arguments, the
// last one computes for all. Lanes that meet in different operations, or at different lines of an
// `.aligned` one, are reported as divergence.
#pragma once
#include <array>
#include <vector>

#include "context.h"

namespace flashjit::emu {

class Collectives {
 public:
  explicit Collectives(Context& cta)
      : cta_(cta), warps_(static_cast<std::size_t>(cta.scheduler.num_warps())) {}
  void reset() {
    for (auto& slots : warps_) slots.clear();
  }

  // `exec(args)` sees the arguments of every lane of the mask, in the last lane to come; then all
  // go on.
  template <class Args, class Exec>
  void run(u32 mask, const char* op, bool aligned, Args& mine, const Loc& loc, Exec&& exec) {
    Slot& slot = arrive(mask, op, aligned, &mine, loc);
    if (slot.arrived != mask) {
      cta_.scheduler.block(op, 0, loc);
      return;
    }
    ++cta_.stats.collectives;
    std::array<Args*, 32> all{};
    for (std::size_t lane = 0; lane < 32; ++lane) all[lane] = static_cast<Args*>(slot.args[lane]);
    slot.arrived = 0;
    exec(all);
    release_lanes(mask);
  }
  template <class Exec>
  void run_aligned(const char* op, const Loc& loc, Exec&& exec) {
    int none = 0;
    run(~0u, op, true, none, loc, [&](auto&) { exec(); });
  }

  void syncwarp(u32 mask, const Loc& loc);
  u64 shuffle(u32 mask, u64 value, int source_lane, const Loc& loc);
  u32 ballot(u32 mask, bool predicate, const Loc& loc);

 private:
  struct Slot {
    u32 mask = 0, arrived = 0;
    const char* op = "";
    Loc loc;
    std::array<void*, 32> args{};
  };

  Slot& arrive(u32 mask, const char* op, bool aligned, void* mine, const Loc& loc);
  void release_lanes(u32 mask);

  Context& cta_;
  std::vector<std::vector<Slot>> warps_;  // one slot for each mask in use
};

}  // namespace flashjit::emu
