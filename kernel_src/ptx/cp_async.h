// Asynchronous copies of Ampere: global to shared memory, 16 bytes a thread, in groups.
#pragma once
#include "types.h"

namespace flashjit::ptx {

// PTX ISA 9.7.9.25.3.1: cp.async. Copies src_bytes (0 … 16) and fills the rest of the 16 bytes with
// zeros.
__device__ __forceinline__ void cp_async_16(u32 dst, const void* src, int src_bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(dst), "l"(src), "r"(src_bytes)
               : "memory");
}
// PTX ISA 9.7.9.25.3.2: cp.async.commit_group.
__device__ __forceinline__ void cp_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// PTX ISA 9.7.9.25.3.3: cp.async.wait_group; returns when at most kKeep groups of this thread are
// in flight.
template <int kKeep>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kKeep) : "memory");
}

}  // namespace flashjit::ptx
