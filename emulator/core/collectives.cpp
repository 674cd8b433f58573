#include "collectives.h"

#include <cstring>

namespace flashjit::emu {

Collectives::Slot& Collectives::arrive(
    u32 mask, const char* op, bool aligned, void* mine, const Loc& loc) {
  const int lane = cta_.lane();
  auto& slots = warps_[static_cast<std::size_t>(cta_.warp())];
  Slot* slot = nullptr;
  for (Slot& s : slots) {
    if (s.mask == mask) slot = &s;
  }
  if (!slot) {
    slots.emplace_back();
    slot = &slots.back();
    slot->mask = mask;
  }
  if (!(mask >> lane & 1)) {
    cta_.fail("divergence", std::string(op) + ": the calling lane is not in the mask", loc);
  }
  if (slot->arrived == 0) {
    slot->op = op;
    slot->loc = loc;
  } else if (std::strcmp(slot->op, op) != 0 || (aligned && slot->loc.line() != loc.line())) {
    cta_.fail("divergence",
              std::string(op) + " while other lanes of the warp execute " + slot->op + " at " +
                  where(slot->loc),
              loc);
  }
  slot->args[static_cast<std::size_t>(lane)] = mine;
  slot->arrived |= 1u << lane;
  return *slot;
}

void Collectives::release_lanes(u32 mask) {
  const int first = 32 * cta_.warp(), me = cta_.lane();
  for (int lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1)) continue;
    const int thread = first + lane;
    ++cta_.scheduler.threads()[static_cast<std::size_t>(thread)].meetings;
    if (lane != me) cta_.scheduler.wake(thread);
  }
}

void Collectives::syncwarp(u32 mask, const Loc& loc) {
  cta_.scheduler.preemption_point();
  int none = 0;
  run(mask, "__syncwarp", false, none, loc, [&](auto&) {
    cta_.order.sync_lanes(cta_.warp(), mask);
  });
}

u64 Collectives::shuffle(u32 mask, u64 value, int source_lane, const Loc& loc) {
  struct Args {
    u64 in, out;
    std::size_t from;
  } mine{value, value, static_cast<std::size_t>(source_lane & 31)};
  run(mask, "shfl", false, mine, loc, [&](std::array<Args*, 32>& all) {
    for (std::size_t lane = 0; lane < 32; ++lane) {
      if (!(mask >> lane & 1)) continue;
      if (!(mask >> all[lane]->from & 1)) {
        cta_.fail("shuffle",
                  "lane " + std::to_string(lane) + " reads from lane " +
                      std::to_string(all[lane]->from) + ", which is not in the mask",
                  loc);
      }
      all[lane]->out = all[all[lane]->from]->in;
    }
  });
  return mine.out;
}

u32 Collectives::ballot(u32 mask, bool predicate, const Loc& loc) {
  struct Args {
    bool in;
    u32 out;
  } mine{predicate, 0};
  run(mask, "vote", false, mine, loc, [&](std::array<Args*, 32>& all) {
    u32 votes = 0;
    for (std::size_t lane = 0; lane < 32; ++lane) {
      if ((mask >> lane & 1) && all[lane]->in) votes |= 1u << lane;
    }
    for (std::size_t lane = 0; lane < 32; ++lane) {
      if (mask >> lane & 1) all[lane]->out = votes;
    }
  });
  return mine.out;
}

}  // namespace flashjit::emu
