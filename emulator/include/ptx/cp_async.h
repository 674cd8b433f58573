// The emulator's kernel_src/ptx/cp_async.h.
#pragma once
#include "emu/device.h"

namespace flashjit::ptx {

inline void cp_async_16(u32 dst,
                        const void* src,
                        int src_bytes,
                        emu::Loc loc = emu::Loc::current()) {
  emu::current().cp_async(dst, src, 16, src_bytes, loc);
}
inline void cp_async_commit() { emu::current().cp_async_commit(); }
template <int kKeep>
void cp_async_wait(emu::Loc loc = emu::Loc::current()) {
  emu::current().cp_async_wait(kKeep, loc);
}

}  // namespace flashjit::ptx
