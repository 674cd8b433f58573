// Bulk tensor copies (TMA), sm_90. Coordinates are in elements, innermost first. Rows of a box lie
// one swizzle span (32, 64 or 128 bytes) apart also where they are shorter; a load leaves the rest
// of the span as it was (CUDA Programming Guide, "TMA Swizzle"; seen on an H100).
#pragma once
#include "types.h"

namespace flashjit::ptx {

// PTX ISA 9.7.9.28: prefetch.tensormap.
__device__ __forceinline__ void prefetch_tensor_map(const TensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// L2 policies in the encoding of createpolicy.fractional with fraction 1.
inline constexpr u64 kEvictFirst = 0x12F0000000000000ull;
inline constexpr u64 kEvictLast = 0x14F0000000000000ull;

// PTX ISA 9.7.9.27.1.2: cp.async.bulk.tensor, global to shared; completes on `bar` by bytes of the
// whole box, also where the box lies outside of the tensor and zeros are written.
__device__ __forceinline__ void tma_load_5d(
    u32 dst, const TensorMap* map, u32 bar, int c0, int c1, int c2, int c3, int c4, u64 l2_policy) {
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.L2::cache_"
      "hint "
      "[%0], [%1, {%3, %4, %5, %6, %7}], [%2], %8;" ::"r"(dst),
      "l"(map),
      "r"(bar),
      "r"(c0),
      "r"(c1),
      "r"(c2),
      "r"(c3),
      "r"(c4),
      "l"(l2_policy)
      : "memory");
}
// The same into every CTA of the cluster whose bit in `ctas` is set: `dst` and `bar` stand for the
// same places in each, and the bytes count at each one's barrier.
__device__ __forceinline__ void tma_load_5d_multicast(u32 dst,
                                                      const TensorMap* map,
                                                      u32 bar,
                                                      int c0,
                                                      int c1,
                                                      int c2,
                                                      int c3,
                                                      int c4,
                                                      u32 ctas,
                                                      u64 l2_policy) {
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::"
      "cluster.L2::cache_hint "
      "[%0], [%1, {%3, %4, %5, %6, %7}], [%2], %8, %9;" ::"r"(dst),
      "l"(map),
      "r"(bar),
      "r"(c0),
      "r"(c1),
      "r"(c2),
      "r"(c3),
      "r"(c4),
      "h"(static_cast<unsigned short>(ctas)),
      "l"(l2_policy)
      : "memory");
}
// The same, shared to global; elements outside of the tensor are not written.
// Completion by bulk groups.
__device__ __forceinline__ void tma_store_5d(
    const TensorMap* map, u32 src, int c0, int c1, int c2, int c3, int c4) {
  asm volatile(
      "cp.async.bulk.tensor.5d.global.shared::cta.tile.bulk_group [%0, {%2, %3, %4, %5, %6}], "
      "[%1];" ::"l"(map),
      "r"(src),
      "r"(c0),
      "r"(c1),
      "r"(c2),
      "r"(c3),
      "r"(c4)
      : "memory");
}
// PTX ISA 9.7.9.25.4.2: cp.async.bulk.commit_group.
__device__ __forceinline__ void bulk_commit() {
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}
// PTX ISA 9.7.9.25.4.3: waits until at most kKeep groups of this thread still read their shared
// source.
template <int kKeep>
__device__ __forceinline__ void bulk_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kKeep) : "memory");
}
// The same until they are complete: what they wrote is visible to this thread.
template <int kKeep>
__device__ __forceinline__ void bulk_wait() {
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(kKeep) : "memory");
}

}  // namespace flashjit::ptx
