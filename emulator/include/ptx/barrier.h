// The emulator's kernel_src/ptx/barrier.h.
#pragma once
#include "emu/device.h"

namespace flashjit::ptx {

inline void bar_sync(int id, int threads, emu::Loc loc = emu::Loc::current()) {
  emu::current().bar_sync(id, threads, loc);
}
inline void bar_arrive(int id, int threads, emu::Loc loc = emu::Loc::current()) {
  emu::current().bar_arrive(id, threads, loc);
}
inline bool bar_red_or(int id, int threads, bool flag, emu::Loc loc = emu::Loc::current()) {
  return emu::current().bar_red_or(id, threads, flag, loc);
}

}  // namespace flashjit::ptx
