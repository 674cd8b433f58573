// The K/V ring of the sm80 mainloop: which tile is in flight, which may be read, from right to
// left. All threads of the CTA copy and all of them read, so a tile is readable after every thread
// has waited for its own copies and then met the others.
//
//   num_stages 1: K and V have one buffer each      num_stages S ≥ 2: S pairs of buffers
//   acquire_k: wait K[j], meet, start V[j]          acquire_k: wait K[j] V[j], meet,
//   acquire_v: wait V[j], meet, start K[j-1]                   start K[j-S+1] V[j-S+1]
//                                                   acquire_v: nothing to wait for
//
// Meeting also tells that nobody reads the buffer that the next copy overwrites.
#pragma once
#include "tile/async_copy.cuh"
#include "variant_plan.h"

namespace flashjit {

template <KernelConfig kConfig>
class KvRing {
 public:
  static constexpr int kBlockN = kConfig.tiling.block_n;
  static constexpr int kStages = kConfig.tiling.num_stages;
  static constexpr int kPrologueGroups = kStages == 1 ? 1 : kStages - 1;
  using KTile = AsyncTile<kBlockN, kConfig.problem.head_dim_qk, num_threads(kConfig)>;
  using VTile = AsyncTile<kBlockN, kConfig.problem.head_dim_v, num_threads(kConfig)>;

  // smem: the CTA's dynamic shared memory, laid out by smem_plan().
  __device__ __forceinline__ KvRing(const KTile& k, const VTile& v, u32 smem, int seqlen_kv)
      : k_(k), v_(v), smem_(smem), seqlen_kv_(seqlen_kv) {}

  // Starts the first copies; always commits kPrologueGroups groups. Only the rightmost block can
  // reach past the end of the sequence.
  __device__ __forceinline__ void start(int num_blocks) {
    if constexpr (kStages == 1) {
      if (num_blocks > 0) k_.template load<true>(k_tile(0), (num_blocks - 1) * kBlockN, seqlen_kv_);
      ptx::cp_async_commit();
    } else {
#pragma unroll
      for (int i = 0; i < kStages - 1; ++i) {
        const int first_key = (num_blocks - 1 - i) * kBlockN;
        if (num_blocks > i) {
          k_.template load<true>(k_tile(i), first_key, seqlen_kv_);
          v_.template load<true>(v_tile(i), first_key, seqlen_kv_);
        }
        ptx::cp_async_commit();
      }
    }
  }

  // The tile of K of block n_block, readable. kMasked: the block may be the rightmost.
  template <bool kMasked>
  __device__ __forceinline__ u32 acquire_k(int n_block) {
    if constexpr (kStages == 1) {
      ptx::cp_async_wait<0>();
      __syncthreads();
      v_.template load<kMasked>(v_tile(0), n_block * kBlockN, seqlen_kv_);
      ptx::cp_async_commit();
      return k_tile(0);
    } else {
      ptx::cp_async_wait<kStages - 2>();
      __syncthreads();
      const int next = n_block - (kStages - 1);
      if (next >= 0) {
        const int free_stage = stage_ == 0 ? kStages - 1 : stage_ - 1;
        k_.template load<false>(k_tile(free_stage), next * kBlockN, seqlen_kv_);
        v_.template load<false>(v_tile(free_stage), next * kBlockN, seqlen_kv_);
      }
      ptx::cp_async_commit();
      return k_tile(stage_);
    }
  }

  // The tile of V of the same block; K's may be overwritten from here on.
  __device__ __forceinline__ u32 acquire_v(int n_block) {
    if constexpr (kStages == 1) {
      ptx::cp_async_wait<0>();
      __syncthreads();
      if (n_block > 0) k_.template load<false>(k_tile(0), (n_block - 1) * kBlockN, seqlen_kv_);
      ptx::cp_async_commit();
      return v_tile(0);
    } else {
      const u32 tile = v_tile(stage_);
      stage_ = stage_ + 1 == kStages ? 0 : stage_ + 1;
      return tile;
    }
  }

 private:
  static constexpr SmemPlan kPlan = smem_plan(kConfig);

  __device__ __forceinline__ u32 k_tile(int stage) const {
    return smem_ + kPlan.at(SmemRegion::kK) + u32(stage) * KTile::kBytes;
  }
  __device__ __forceinline__ u32 v_tile(int stage) const {
    return smem_ + kPlan.at(SmemRegion::kV) + u32(stage) * VTile::kBytes;
  }

  const KTile k_;
  const VTile v_;
  const u32 smem_;
  const int seqlen_kv_;
  int stage_ = 0;  // of the block that acquire_k is called for next
};

}  // namespace flashjit
