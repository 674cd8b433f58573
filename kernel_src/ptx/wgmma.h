// Warpgroup matrix multiply of Hopper (sm_90a): everything but the multiplies themselves. wgmma_ss
// and wgmma_rs need one literal operand list per shape, so runtime/wgmma_source writes just the
// shapes that a variant uses, as "ptx/wgmma_ops.h"; N is 2R:
//
//   // D[64 x N] (+)= A[64 x 16·count] · B[16·count x N], A and B in shared memory.
//   template <Dtype kDtype, bool kTransB, bool kAccumulate, class Steps, int R>
//   void wgmma_ss(float (&d)[R], u64 desc_a, u64 desc_b);
//   // D += A · B with A in registers.
//   template <Dtype kDtype, bool kTransB, bool kAccumulate = true, class Steps, int R>
//   void wgmma_rs(float (&d)[R], const u32 (&a)[Steps::kCount][4], u64 desc_b);
//
// Steps tells how many wgmma of k = 16 make the product, and what to add to the descriptors of the
// first for step i: Steps::kCount, Steps::a(i), Steps::b(i). All of them stand in one asm: between
// two NVRTC would copy every accumulator, which took a fifth of the time of a compilation.
#pragma once
#include "types.h"

namespace flashjit::ptx {

// A product of one wgmma.
struct OneStep {
  static constexpr int kCount = 1;
  static constexpr u32 a(int) { return 0; }
  static constexpr u32 b(int) { return 0; }
};

// PTX ISA 9.7.15.7.1: wgmma.fence; orders register and shared accesses before the next wgmma.
__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
// PTX ISA 9.7.15.7.2: wgmma.commit_group.
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// PTX ISA 9.7.15.7.3: wgmma.wait_group; at most kKeep groups stay in flight.
template <int kKeep>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kKeep) : "memory");
}
// Emits nothing; keeps the compiler from moving accesses of d across this point.
template <int N>
__device__ __forceinline__ void pin_registers(float (&d)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

// PTX ISA 9.7.19.5: setmaxnreg; every warp of the warpgroup, kRegs a multiple of 8 in 24 … 256.
template <int kRegs>
__device__ __forceinline__ void setmaxnreg_inc() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegs));
}
template <int kRegs>
__device__ __forceinline__ void setmaxnreg_dec() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegs));
}

}  // namespace flashjit::ptx
