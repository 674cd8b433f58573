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

}  // namespace flashjit::ptx
