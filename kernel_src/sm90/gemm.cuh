// The two matrix products of a step as sequences of wgmma, and the matrix descriptors they take.
// Both start one group of asynchronous work; callers wait for it (ptx::wgmma_wait).
//
// A descriptor (PTX ISA 9.7.15.5.1.2.2) has four fields: address, leading and stride byte offset,
// swizzle. Only the address changes in a kernel, so callers keep the low word in a (uniform)
// register; a step along a tile adds a constant, to the high word too where a narrower panel has
// another stride and swizzle.
#pragma once
#include "ptx/wgmma.h"
#include "ptx/wgmma_ops.h"
#include "sm90/plan.h"

namespace flashjit {

// Offsets and addresses stand in units of 16 bytes. The stride of both operand kinds is eight rows
// of a panel; bits 62 and 63 tell the swizzle, which is as wide as a row: 1 for 128 bytes, 2 for
// 64, 3 for 32.
constexpr u32 descriptor_high(int row_bytes) {
  return u32(8 * row_bytes / 16) | (row_bytes == 128 ? 1u : row_bytes == 64 ? 2u : 3u) << 30;
}

// The address in this CTA's shared memory: what stands above it is the rank in the cluster.
__device__ __forceinline__ u32 descriptor_address(u32 addr) { return (addr & 0x3FFFF) / 16; }
// Operand whose rows run along the tile's rows (Q, K and P): the leading offset is not used.
__device__ __forceinline__ u32 row_descriptor(u32 addr) {
  return descriptor_address(addr) | 1u << 16;
}
// Operand that is read transposed (V): the leading offset leads from panel to panel.
__device__ __forceinline__ u32 transposed_descriptor(u32 addr, u32 panel_bytes) {
  return descriptor_address(addr) | panel_bytes / 16 << 16;
}
__device__ __forceinline__ u64 full_descriptor(u32 low, int row_bytes = kPanelRowBytes) {
  return u64(descriptor_high(row_bytes)) << 32 | low;
}

// From the descriptor of a tile's first 16 columns to that of step i, in panels of `panel_rows`.
constexpr u32 column_step(int i, int panel_rows) {
  return u32(i / 4 * panel_rows * kPanelRowBytes / 16 + i % 4 * 2);
}
// Along head_dim_qk in steps of 16 columns, into a last panel that may be narrower.
template <KernelConfig kConfig>
struct ScoreSteps {
  static constexpr int kHeadDim = kConfig.problem.head_dim_qk;
  static constexpr int kCount = ceil_div(kHeadDim, 16);
  static constexpr u64 a(int i) { return step(i, kWarpgroupRows); }
  static constexpr u64 b(int i) { return step(i, kConfig.tiling.block_n); }

 private:
  static constexpr u64 step(int i, int panel_rows) {
    const u32 high = descriptor_high(panel_row_bytes(kHeadDim, i / 4)) -
                     descriptor_high(panel_row_bytes(kHeadDim, 0));
    return u64(high) << 32 | column_step(i, panel_rows);
  }
};
// Along the block in steps of 16 keys.
template <KernelConfig kConfig>
struct OutputSteps {
  static constexpr int kCount = kConfig.tiling.block_n / 16;
  static constexpr u32 a(int i) { return column_step(i, kWarpgroupRows); }
  static constexpr u32 b(int i) { return u32(i * (16 * kPanelRowBytes / 16)); }
};

// S = Q · Kᵀ: acc [64 x block_n].
template <KernelConfig kConfig, int kSize>
__device__ __forceinline__ void gemm_scores(float (&acc)[kSize], u32 q_desc, u32 k_desc) {
  constexpr int kRowBytes = panel_row_bytes(kConfig.problem.head_dim_qk, 0);
  ptx::wgmma_fence();
  ptx::wgmma_ss<kConfig.problem.dtype, false, false, ScoreSteps<kConfig>>(
      acc, full_descriptor(q_desc, kRowBytes), full_descriptor(k_desc, kRowBytes));
  ptx::wgmma_commit();
}

// O += P · V: acc [64 x head_dim_v (+ 8)]; P from registers, or by its descriptor.
template <KernelConfig kConfig, int kSize, int kSteps>
__device__ __forceinline__ void gemm_output(float (&acc)[kSize],
                                            const u32 (&probs)[kSteps][4],
                                            u32 v_desc) {
  ptx::wgmma_fence();
  ptx::wgmma_rs<kConfig.problem.dtype, true, true, OutputSteps<kConfig>>(
      acc, probs, full_descriptor(v_desc));
  ptx::wgmma_commit();
}
template <KernelConfig kConfig, int kSize>
__device__ __forceinline__ void gemm_output(float (&acc)[kSize], u32 probs_desc, u32 v_desc) {
  ptx::wgmma_fence();
  ptx::wgmma_ss<kConfig.problem.dtype, true, true, OutputSteps<kConfig>>(
      acc, full_descriptor(probs_desc), full_descriptor(v_desc));
  ptx::wgmma_commit();
}

}  // namespace flashjit
