// The two matrix products of a step as sequences of wgmma, and the matrix descriptors they take.
// Both start one group of asynchronous work; callers wait for it (ptx::wgmma_wait).
//
// A descriptor (PTX ISA 9.7.15.5.1.2.2) has four fields: address, leading and stride byte offset,
// swizzle. Only the address changes in a kernel, so callers keep the low word in a (uniform)
// register, a step along a tile adds a constant to it, and the high word is the same for all.
#pragma once
#include "ptx/wgmma.h"
#include "ptx/wgmma_ops.h"
#include "sm90/plan.h"

namespace flashjit {

// Offsets and addresses stand in units of 16 bytes. Eight rows of a panel are 1024 bytes: the
// stride of both operand kinds. 1 in bits 62 and 63: the 128-byte swizzle.
inline constexpr u32 kDescriptorHigh = 1024 / 16 | 1u << 30;

// Operand whose rows run along the tile's rows (Q and K): the leading offset is not used.
__device__ __forceinline__ u32 row_descriptor(u32 addr) { return addr / 16 | 1u << 16; }
// Operand that is read transposed (V): the leading offset leads from panel to panel.
__device__ __forceinline__ u32 transposed_descriptor(u32 addr, u32 panel_bytes) {
  return addr / 16 | panel_bytes / 16 << 16;
}
__device__ __forceinline__ u64 full_descriptor(u32 low) { return u64(kDescriptorHigh) << 32 | low; }

// S = Q · Kᵀ: acc [64 x block_n], over head_dim_qk in steps of 16 columns.
template <KernelConfig kConfig, int kSize>
__device__ __forceinline__ void gemm_scores(float (&acc)[kSize], u32 q_desc, u32 k_desc) {
  constexpr Dtype kDtype = kConfig.problem.dtype;
  constexpr int kSteps = ceil_div(kConfig.problem.head_dim_qk, 16);
  constexpr u32 kQPanel = kConfig.tiling.block_m * kPanelRowBytes / 16;
  constexpr u32 kKPanel = kConfig.tiling.block_n * kPanelRowBytes / 16;
  ptx::wgmma_fence();
  ptx::wgmma_ss<kDtype, false, false>(acc, full_descriptor(q_desc), full_descriptor(k_desc));
#pragma unroll
  for (int i = 1; i < kSteps; ++i) {
    ptx::wgmma_ss<kDtype, false, true>(acc,
                                       full_descriptor(q_desc + i / 4 * kQPanel + i % 4 * 2),
                                       full_descriptor(k_desc + i / 4 * kKPanel + i % 4 * 2));
  }
  ptx::wgmma_commit();
}

// O += P · V: acc [64 x head_dim_v (+ 8)], over block_n in steps of 16 keys.
template <KernelConfig kConfig, int kSize, int kSteps>
__device__ __forceinline__ void gemm_output(float (&acc)[kSize],
                                            const u32 (&probs)[kSteps][4],
                                            u32 v_desc) {
  ptx::wgmma_fence();
#pragma unroll
  for (int i = 0; i < kSteps; ++i) {
    ptx::wgmma_rs<kConfig.problem.dtype, true, true>(
        acc, probs[i], full_descriptor(v_desc + i * (16 * kPanelRowBytes / 16)));
  }
  ptx::wgmma_commit();
}

}  // namespace flashjit
