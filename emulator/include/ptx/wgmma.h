// The emulator's kernel_src/ptx/wgmma.h, and ptx/wgmma_ops.h with it: no operand lists here, so the
// multiplies are templates for every N.
#pragma once
#include "emu/device.h"

namespace flashjit::ptx {

struct OneStep {
  static constexpr int kCount = 1;
  static constexpr u32 a(int) { return 0; }
  static constexpr u32 b(int) { return 0; }
};

inline void wgmma_fence(emu::Loc loc = emu::Loc::current()) { emu::current().wgmma_fence(loc); }
inline void wgmma_commit(emu::Loc loc = emu::Loc::current()) { emu::current().wgmma_commit(loc); }
template <int kKeep>
void wgmma_wait(emu::Loc loc = emu::Loc::current()) {
  emu::current().wgmma_wait(kKeep, loc);
}
template <int N>
void pin_registers(float (&)[N]) {}

template <Dtype kDtype, bool kTransB, bool kAccumulate, class Steps = OneStep, int R>
void wgmma_ss(float (&d)[R], u64 desc_a, u64 desc_b, emu::Loc loc = emu::Loc::current()) {
  static_assert(R % 4 == 0 && R <= 128, "N is a multiple of 8 up to 256");
  for (int i = 0; i < Steps::kCount; ++i) {
    emu::current().wgmma({kDtype,
                          kTransB,
                          d,
                          R,
                          nullptr,
                          desc_a + Steps::a(i),
                          desc_b + Steps::b(i),
                          kAccumulate || i > 0},
                         loc);
  }
}
template <Dtype kDtype, bool kTransB, bool kAccumulate, class Steps = OneStep, int R>
void wgmma_rs(float (&d)[R],
              const u32 (&a)[Steps::kCount][4],
              u64 desc_b,
              emu::Loc loc = emu::Loc::current()) {
  static_assert(R % 4 == 0 && R <= 128, "N is a multiple of 8 up to 256");
  for (int i = 0; i < Steps::kCount; ++i) {
    emu::current().wgmma(
        {kDtype, kTransB, d, R, a[i], 0, desc_b + Steps::b(i), kAccumulate || i > 0}, loc);
  }
}

template <int kRegs>
void setmaxnreg_inc(emu::Loc loc = emu::Loc::current()) {
  static_assert(kRegs % 8 == 0 && kRegs >= 24 && kRegs <= 256);
  emu::current().setmaxnreg(true, kRegs, loc);
}
template <int kRegs>
void setmaxnreg_dec(emu::Loc loc = emu::Loc::current()) {
  static_assert(kRegs % 8 == 0 && kRegs >= 24 && kRegs <= 256);
  emu::current().setmaxnreg(false, kRegs, loc);
}

}  // namespace flashjit::ptx
