// Thread block clusters, sm_90. A CTA's shared addresses carry its rank in bits 24 and up, so that
// they are valid in all CTAs of the cluster.
#pragma once
#include "types.h"

namespace flashjit::ptx {

// PTX ISA 10.30: %cluster_ctarank; 0 without a cluster.
__device__ __forceinline__ u32 cluster_rank() {
  u32 rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
// PTX ISA 9.7.9.24: mapa; where `addr` of this CTA lies in CTA `rank` of the cluster.
__device__ __forceinline__ u32 map_shared(u32 addr, u32 rank) {
  u32 mapped;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(addr), "r"(rank));
  return mapped;
}
// PTX ISA 9.7.13.15.13: mbarrier.arrive in any CTA of the cluster. Without .release.cluster, which
// would put a memory barrier into every step of a loop: what it lets another CTA overwrite by TMA
// was read by products whose end the arriving warp has waited for.
__device__ __forceinline__ void mbarrier_arrive_cluster(u32 bar) {
  asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(bar) : "memory");
}
// The same with .release.cluster, for what this thread has done itself.
__device__ __forceinline__ void mbarrier_arrive_release_cluster(u32 bar) {
  asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(bar)
               : "memory");
}
// PTX ISA 9.7.13.15.16: mbarrier.try_wait.parity of a barrier of the own CTA, for what another CTA
// has released to it. May return false early, so callers loop.
__device__ __forceinline__ bool mbarrier_try_wait_parity_cluster(u32 bar, u32 parity) {
  u32 ok;
  asm volatile(
      "{\n.reg .pred p;\n"
      "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2;\n"
      "selp.u32 %0, 1, 0, p;\n}"
      : "=r"(ok)
      : "r"(bar), "r"(parity)
      : "memory");
  return ok != 0;
}
// PTX ISA 9.7.9.12: st.async; four bytes into any CTA of the cluster, which complete on an mbarrier
// of that CTA as the bytes of a TMA load do.
__device__ __forceinline__ void st_async_u32(u32 addr, u32 value, u32 bar) {
  asm volatile(
      "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b32 [%0], %1, [%2];" ::"r"(addr),
      "r"(value),
      "r"(bar)
      : "memory");
}
// PTX ISA 9.7.13.5: barrier.cluster; all threads of all CTAs. Of a warp whose lanes have parted
// too, hence without .aligned.
__device__ __forceinline__ void cluster_sync() {
  asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
}

}  // namespace flashjit::ptx
