// The emulator's kernel_src/ptx/mbarrier.h.
#pragma once
#include "emu/device.h"

namespace flashjit::ptx {

inline void mbarrier_init(u32 bar, u32 count, emu::Loc loc = emu::Loc::current()) {
  emu::current().mbarrier_init(bar, count, loc);
}
inline void mbarrier_arrive(u32 bar, emu::Loc loc = emu::Loc::current()) {
  emu::current().mbarrier_arrive(bar, 0, loc);
}
inline void mbarrier_arrive_if(bool when, u32 bar, emu::Loc loc = emu::Loc::current()) {
  if (when) emu::current().mbarrier_arrive(bar, 0, loc);
}
inline void mbarrier_arrive_expect_tx(u32 bar, u32 bytes, emu::Loc loc = emu::Loc::current()) {
  emu::current().mbarrier_arrive(bar, bytes, loc);
}
inline bool mbarrier_try_wait_parity(u32 bar, u32 parity, emu::Loc loc = emu::Loc::current()) {
  return emu::current().mbarrier_try_wait(bar, parity, loc);
}
inline void fence_mbarrier_init() { emu::current().fence_proxy_async(); }
inline void fence_proxy_async() { emu::current().fence_proxy_async(); }

}  // namespace flashjit::ptx
