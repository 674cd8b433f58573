// The emulator's kernel_src/ptx/shared_memory.h: same functions, checked accesses.
#pragma once
#include "emu/device.h"

namespace flashjit::ptx {

inline u32 dynamic_smem() { return emu::current().dynamic_smem(); }

namespace detail {
template <class T>
T ld_shared(u32 addr, const emu::Loc& loc) {
  T v;
  emu::current().load_shared(&v, addr, sizeof(T), loc);
  return v;
}
template <class T>
void st_shared(u32 addr, const T& v, const emu::Loc& loc) {
  emu::current().store_shared(addr, &v, sizeof(T), loc);
}
}  // namespace detail

inline u16 ld_shared_u16(u32 addr, emu::Loc loc = emu::Loc::current()) {
  return detail::ld_shared<u16>(addr, loc);
}
inline u32 ld_shared_u32(u32 addr, emu::Loc loc = emu::Loc::current()) {
  return detail::ld_shared<u32>(addr, loc);
}
inline float ld_shared_f32(u32 addr, emu::Loc loc = emu::Loc::current()) {
  return detail::ld_shared<float>(addr, loc);
}
inline U32x4 ld_shared_v4(u32 addr, emu::Loc loc = emu::Loc::current()) {
  return detail::ld_shared<U32x4>(addr, loc);
}
inline void st_shared_u16(u32 addr, u16 v, emu::Loc loc = emu::Loc::current()) {
  detail::st_shared(addr, v, loc);
}
inline void st_shared_u32(u32 addr, u32 v, emu::Loc loc = emu::Loc::current()) {
  detail::st_shared(addr, v, loc);
}
inline void st_shared_f32(u32 addr, float v, emu::Loc loc = emu::Loc::current()) {
  detail::st_shared(addr, v, loc);
}
inline void st_shared_v4(u32 addr, U32x4 v, emu::Loc loc = emu::Loc::current()) {
  detail::st_shared(addr, v, loc);
}

}  // namespace flashjit::ptx
