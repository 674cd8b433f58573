// The emulator's kernel_src/ptx/tma.h.
#pragma once
#include "emu/device.h"

namespace flashjit::ptx {

inline void prefetch_tensor_map(const TensorMap*) {}

inline constexpr u64 kEvictFirst = 0x12F0000000000000ull;
inline constexpr u64 kEvictLast = 0x14F0000000000000ull;

inline void tma_load_5d(u32 dst,
                        const TensorMap* map,
                        u32 bar,
                        int c0,
                        int c1,
                        int c2,
                        int c3,
                        int c4,
                        u64 /*l2_policy*/,
                        emu::Loc loc = emu::Loc::current()) {
  emu::current().tma_load(dst, map, bar, {c0, c1, c2, c3, c4}, loc);
}
inline void tma_load_5d_multicast(u32 dst,
                                  const TensorMap* map,
                                  u32 bar,
                                  int c0,
                                  int c1,
                                  int c2,
                                  int c3,
                                  int c4,
                                  u32 ctas,
                                  u64 /*l2_policy*/,
                                  emu::Loc loc = emu::Loc::current()) {
  emu::current().tma_load_multicast(dst, map, bar, {c0, c1, c2, c3, c4}, ctas, loc);
}
inline void tma_store_5d(const TensorMap* map,
                         u32 src,
                         int c0,
                         int c1,
                         int c2,
                         int c3,
                         int c4,
                         emu::Loc loc = emu::Loc::current()) {
  emu::current().tma_store(map, src, {c0, c1, c2, c3, c4}, loc);
}
inline void bulk_commit(emu::Loc loc = emu::Loc::current()) { emu::current().bulk_commit(loc); }
template <int kKeep>
void bulk_wait_read(emu::Loc loc = emu::Loc::current()) {
  emu::current().bulk_wait(kKeep, loc);
}
template <int kKeep>
void bulk_wait(emu::Loc loc = emu::Loc::current()) {
  emu::current().bulk_wait(kKeep, loc);
}

}  // namespace flashjit::ptx
