// Named barriers of a CTA (0 … 15; 0 is __syncthreads).
#pragma once
#include "types.h"

namespace flashjit::ptx {

// PTX ISA 9.7.13.1: bar.sync; `threads` arrivals in all, a multiple of 32.
__device__ __forceinline__ void bar_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
// PTX ISA 9.7.13.1: bar.arrive; counts as an arrival and does not wait.
__device__ __forceinline__ void bar_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// PTX ISA 9.7.13.1: bar.red.or; bar.sync that also tells whether any thread came with `flag`.
__device__ __forceinline__ bool bar_red_or(int id, int threads, bool flag) {
  u32 any;
  asm volatile(
      "{\n.reg .pred p, q;\nsetp.ne.b32 p, %3, 0;\nbar.red.or.pred q, %1, %2, p;\n"
      "selp.u32 %0, 1, 0, q;\n}\n"
      : "=r"(any)
      : "r"(id), "r"(threads), "r"(u32(flag))
      : "memory");
  return any != 0;
}

}  // namespace flashjit::ptx
