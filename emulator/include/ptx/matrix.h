// The emulator's kernel_src/ptx/matrix.h.
#pragma once
#include "emu/device.h"

namespace flashjit::ptx {

inline void ldmatrix_x4(u32 (&r)[4], u32 addr, emu::Loc loc = emu::Loc::current()) {
  emu::current().ldmatrix(r, 4, false, addr, loc);
}
inline void ldmatrix_x2(u32 (&r)[2], u32 addr, emu::Loc loc = emu::Loc::current()) {
  emu::current().ldmatrix(r, 2, false, addr, loc);
}
inline void ldmatrix_x4_trans(u32 (&r)[4], u32 addr, emu::Loc loc = emu::Loc::current()) {
  emu::current().ldmatrix(r, 4, true, addr, loc);
}
inline void ldmatrix_x2_trans(u32 (&r)[2], u32 addr, emu::Loc loc = emu::Loc::current()) {
  emu::current().ldmatrix(r, 2, true, addr, loc);
}
inline void stmatrix_x4(
    u32 addr, u32 r0, u32 r1, u32 r2, u32 r3, emu::Loc loc = emu::Loc::current()) {
  const u32 r[4] = {r0, r1, r2, r3};
  emu::current().stmatrix(addr, r, 4, false, loc);
}

template <Dtype kDtype>
void mma_m16n8k16(float& d0,
                  float& d1,
                  float& d2,
                  float& d3,
                  const u32 (&a)[4],
                  u32 b0,
                  u32 b1,
                  emu::Loc loc = emu::Loc::current()) {
  static_assert(kDtype != Dtype::kFp32);
  float* const d[4] = {&d0, &d1, &d2, &d3};
  const u32 b[2] = {b0, b1};
  emu::current().mma_m16n8k16(kDtype, d, a, b, loc);
}

}  // namespace flashjit::ptx
