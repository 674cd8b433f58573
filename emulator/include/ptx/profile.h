// The emulator's kernel_src/ptx/profile.h. Time is the number of steps that the CTA has made: it
// orders the events of a CTA and measures nothing; every CTA starts at 0 on an SM of its own.
#pragma once
#include <cstring>

#include "emu/device.h"

namespace flashjit::ptx {

inline u32 sm_clock() { return static_cast<u32>(emu::current().clock()); }
inline u64 global_timer() { return emu::current().clock(); }
inline u32 sm_id() { return emu::current().block_idx().x; }
inline void st_global_v4_if(bool when, void* address, const U32x4& x) {
  emu::current().preemption_point();
  if (when) std::memcpy(address, &x, sizeof(x));
}

}  // namespace flashjit::ptx
