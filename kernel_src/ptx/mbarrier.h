// mbarriers in shared memory (8 bytes each), sm_90: arrival count, transaction bytes, phase.
#pragma once
#include "types.h"

namespace flashjit::ptx {

// PTX ISA 9.7.13.15.9: mbarrier.init.
__device__ __forceinline__ void mbarrier_init(u32 bar, u32 count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(count) : "memory");
}
// PTX ISA 9.7.13.15.13: mbarrier.arrive. Before an arrive by one lane for its warp stands a
// __syncwarp().
__device__ __forceinline__ void mbarrier_arrive(u32 bar) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory");
}
// The same if `when`. Predicated, not branched around: one branch in a loop over wgmma makes ptxas
// give up its uniform registers, which costs 5 – 8 %.
__device__ __forceinline__ void mbarrier_arrive_if(bool when, u32 bar) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.u32 p, %1, 0;\n@p mbarrier.arrive.shared::cta.b64 _, [%0];\n}" ::
          "r"(bar),
      "r"(u32(when))
      : "memory");
}
// PTX ISA 9.7.13.15.13: mbarrier.arrive.expect_tx; one arrival and `bytes` more to come from TMA.
__device__ __forceinline__ void mbarrier_arrive_expect_tx(u32 bar, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes)
               : "memory");
}
// PTX ISA 9.7.13.15.16: mbarrier.try_wait.parity. True once the phase of that parity has completed;
// may return false early, so callers loop.
__device__ __forceinline__ bool mbarrier_try_wait_parity(u32 bar, u32 parity) {
  u32 ok;
  asm volatile(
      "{\n.reg .pred p;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      "selp.u32 %0, 1, 0, p;\n}"
      : "=r"(ok)
      : "r"(bar), "r"(parity)
      : "memory");
  return ok != 0;
}
// PTX ISA 9.7.13.4: makes mbarrier.init visible to the async proxy and the cluster.
__device__ __forceinline__ void fence_mbarrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
// PTX ISA 9.7.13.4: orders this thread's generic shared-memory accesses before later ones of TMA
// and wgmma.
__device__ __forceinline__ void fence_proxy_async() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

}  // namespace flashjit::ptx
