// Where P waits for P·V: one policy for each value of Tiling::probs_in_smem. The softmax hands it
// over in fragments of 16 keys, as the four registers of wgmma's A operand.
#pragma once
#include "ptx/matrix.h"
#include "sm90/smem_map.cuh"

namespace flashjit {

template <KernelConfig kConfig, bool kInSmem = kConfig.tiling.probs_in_smem>
struct Sm90Probs;

// In registers, a quarter of block_n of them.
template <KernelConfig kConfig>
struct Sm90Probs<kConfig, false> {
  u32 fragments[kConfig.tiling.block_n / 16][4];

  __device__ __forceinline__ void init(const SmemMap<kConfig>&, int, int) {}

  __device__ __forceinline__ void set(int step, const u32 (&fragment)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) fragments[step][i] = fragment[i];
  }
  __device__ __forceinline__ void publish() const {}
};

// In the warpgroup's 64 rows of shared memory, panels of 64 keys. A warp writes the 16 rows that
// its part of the product reads, and has waited for the product before it writes them again.
template <KernelConfig kConfig>
struct Sm90Probs<kConfig, true> {
  u32 chunk;  // address of the lane's 16 bytes of fragment 0: a row of the panel, swizzled

  // `thread` of the warpgroup.
  __device__ __forceinline__ void init(const SmemMap<kConfig>& smem, int warpgroup, int thread) {
    const u32 lane = thread % 32;
    const u32 row = thread / 32 * 16 + lane % 16;
    chunk = smem.probs(warpgroup) + row * kPanelRowBytes + (lane / 16 ^ lane % 8) * 16;
  }

  __device__ __forceinline__ void set(int step, const u32 (&fragment)[4]) const {
    const u32 panel = u32(step / 4) * SmemMap<kConfig>::kWarpgroupBytes;
    ptx::stmatrix_x4(
        (chunk ^ u32(step % 4 * 32)) + panel, fragment[0], fragment[1], fragment[2], fragment[3]);
  }
  // Between the last set() and the product, which any lane may issue for the warp.
  __device__ __forceinline__ void publish() const {
    ptx::fence_proxy_async();
    __syncwarp();
  }
};

}  // namespace flashjit
