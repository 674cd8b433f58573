// Forward for Hopper: warp-specialised, TMA and wgmma, persistent over tiles. Warpgroup 0 loads,
// the others compute (mainloop.cuh). Entry of the generated variants.
#pragma once
#include "sm90/mainloop.cuh"
#include "sm90/producer.cuh"
#include "variant_plan.h"

namespace flashjit {

// All threads of all CTAs of the cluster.
template <KernelConfig kConfig>
__device__ __forceinline__ void sync_cluster() {
  if constexpr (kConfig.tiling.cluster_size == 1) {
    __syncthreads();
  } else {
    ptx::cluster_sync();
  }
}

// Ones in shared memory, for P·V's extra columns: a panel of its own, or the eight columns behind
// the head dim in every stage of V, which TMA never writes.
template <KernelConfig kConfig>
__device__ __forceinline__ void write_ones(const SmemMap<kConfig>& smem) {
  constexpr u32 kOnes = kConfig.problem.dtype == Dtype::kBf16 ? 0x3F803F80u : 0x3C003C00u;
  constexpr int kRows = kConfig.tiling.block_n;
  constexpr int kColumn = kConfig.problem.head_dim_v % kPanelColumns;
  constexpr int kLastPanel = kConfig.problem.head_dim_v / kPanelColumns * kRows * kPanelRowBytes;
  if constexpr (sm90_ones_in_panel(kConfig)) {
    for (int i = 16 * int(threadIdx.x); i < kRows * kPanelRowBytes; i += 16 * num_threads(kConfig))
      ptx::st_shared_v4(smem.template at<SmemRegion::kOnes>() + i, {kOnes, kOnes, kOnes, kOnes});
  } else {
    for (int i = threadIdx.x; i < kConfig.tiling.num_stages * kRows; i += num_threads(kConfig)) {
      const int row = i % kRows;
      const u32 chunk = u32(kColumn / 8) ^ u32(row % 8);
      ptx::st_shared_v4(smem.v(i / kRows) + kLastPanel + row * kPanelRowBytes + chunk * 16,
                        {kOnes, kOnes, kOnes, kOnes});
    }
  }
  ptx::fence_proxy_async();
}

// Barriers and ones, visible to TMA and wgmma of the cluster when it returns.
template <KernelConfig kConfig>
__device__ __forceinline__ void init_smem(const SmemMap<kConfig>& smem) {
  constexpr Tiling kTiling = kConfig.tiling;
  constexpr int kWarpgroups = sm90_num_warpgroups(kTiling);
  constexpr int kReaders = 4 * kWarpgroups * kTiling.cluster_size;  // warps that read K and V
  if (threadIdx.x == 0) {
    for (u32 i = 0; i < u32(kTiling.num_q_stages); ++i) {
      ptx::mbarrier_init(smem.q_full(i), 1);
      ptx::mbarrier_init(smem.q_empty(i),
                         kTiling.epilogue == Epilogue::kThroughQ ? kWarpgroups : 4 * kWarpgroups);
    }
    for (u32 i = 0; i < u32(kTiling.num_stages); ++i) {
      ptx::mbarrier_init(smem.k_full(i), 1);
      ptx::mbarrier_init(smem.k_empty(i), kReaders);
      ptx::mbarrier_init(smem.v_full(i), 1);
      ptx::mbarrier_init(smem.v_empty(i), kReaders);
    }
    if constexpr (sm90_shares_counter(kTiling)) {
      ptx::mbarrier_init(smem.next_full(), 1);
      ptx::mbarrier_init(smem.next_empty(), kTiling.cluster_size - 1);
    }
    ptx::fence_mbarrier_init();
    ptx::fence_proxy_async();
  }
  if constexpr (kTiling.row_sum_by_mma) write_ones<kConfig>(smem);
  sync_cluster<kConfig>();
}

template <KernelConfig kConfig>
__device__ __forceinline__ void fwd_sm90(const Sm90FwdParams& params) {
  constexpr bool kMovesRegisters = kConfig.tiling.consumer_regs != 0;
  const SmemMap<kConfig> smem{ptx::dynamic_smem()};
  const int warp = uniform(int(threadIdx.x) / 32);
  init_smem<kConfig>(smem);
  if (warp < 4) {
    if constexpr (kMovesRegisters) ptx::setmaxnreg_dec<kConfig.tiling.producer_regs>();
    if (threadIdx.x == 0) {
      ptx::prefetch_tensor_map(&params.q);
      ptx::prefetch_tensor_map(&params.k);
      ptx::prefetch_tensor_map(&params.v);
      Sm90Producer<kConfig>{params, smem}.run();
    }
  } else {
    if constexpr (kMovesRegisters) ptx::setmaxnreg_inc<kConfig.tiling.consumer_regs>();
    Sm90Consumer<kConfig>{params, smem, warp / 4 - 1}.run();
  }
  // No CTA ends while another may still load into it or arrive at its barriers.
  if constexpr (kConfig.tiling.cluster_size > 1) sync_cluster<kConfig>();
}

}  // namespace flashjit
