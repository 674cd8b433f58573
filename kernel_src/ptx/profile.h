// What a profiled kernel asks of the SM, and the store that notes it down.
#pragma once
#include "types.h"

namespace flashjit::ptx {

// PTX ISA 10.23: %clock, cycles of this SM modulo 2^32. Volatile: it stays where it is among waits
// and stores; arithmetic on registers may still move across it.
__device__ __forceinline__ u32 sm_clock() {
  u32 cycles;
  asm volatile("mov.u32 %0, %%clock;" : "=r"(cycles)::"memory");
  return cycles;
}
// PTX ISA 10.28: %globaltimer, nanoseconds, one time for all SMs; its resolution may be 1 µs.
__device__ __forceinline__ u64 global_timer() {
  u64 ns;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns)::"memory");
  return ns;
}
// PTX ISA 10.8: %smid.
__device__ __forceinline__ u32 sm_id() {
  u32 id;
  asm volatile("mov.u32 %0, %%smid;" : "=r"(id));
  return id;
}
// PTX ISA 9.7.9.11: st.global of 16 bytes if `when`. Predicated, not branched around, for the
// reason given at mbarrier_arrive_if.
__device__ __forceinline__ void st_global_v4_if(bool when, void* address, const U32x4& x) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.u32 p, %0, 0;\n@p st.global.v4.u32 [%1], {%2, %3, %4, %5};\n}" ::
          "r"(u32(when)),
      "l"(address),
      "r"(x.x),
      "r"(x.y),
      "r"(x.z),
      "r"(x.w)
      : "memory");
}

}  // namespace flashjit::ptx
