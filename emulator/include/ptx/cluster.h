// The emulator's kernel_src/ptx/cluster.h.
#pragma once
#include "emu/device.h"

namespace flashjit::ptx {

inline u32 cluster_rank() { return emu::current().cluster_rank(); }
inline u32 map_shared(u32 addr, u32 rank, emu::Loc loc = emu::Loc::current()) {
  return emu::current().map_shared(addr, rank, loc);
}
inline void mbarrier_arrive_cluster(u32 bar, emu::Loc loc = emu::Loc::current()) {
  emu::current().mbarrier_arrive_cluster(bar, loc);
}
inline void mbarrier_arrive_release_cluster(u32 bar, emu::Loc loc = emu::Loc::current()) {
  emu::current().mbarrier_arrive_cluster(bar, loc);
}
inline bool mbarrier_try_wait_parity_cluster(u32 bar,
                                             u32 parity,
                                             emu::Loc loc = emu::Loc::current()) {
  return emu::current().mbarrier_try_wait(bar, parity, loc);
}
inline void st_async_u32(u32 addr, u32 value, u32 bar, emu::Loc loc = emu::Loc::current()) {
  emu::current().st_async(addr, value, bar, loc);
}
inline void cluster_sync(emu::Loc loc = emu::Loc::current()) { emu::current().cluster_sync(loc); }

}  // namespace flashjit::ptx
