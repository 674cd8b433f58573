// The loop over key blocks of the sm80 kernel: S = Q·Kᵀ, online softmax, O += P·V, with S, P and O
// in registers. Owns the accumulators of one warp's rows; K and V come from KvRing, Q from
// registers when they suffice (sm80_q_in_registers), else from shared memory in every step.
//
//   what a step waits for     who waits        how
//   K[j], V[j] have landed    every thread     cp.async groups, then __syncthreads: see KvRing
//   Q has landed              every thread     once, before the first step
//
// No other barrier: a warp's rows are its own from Q to O.
#pragma once
#include "attention/mask.cuh"
#include "attention/softmax.cuh"
#include "profiler.cuh"
#include "sm80/kv_ring.cuh"
#include "tile/mma_gemm.cuh"

namespace flashjit {

template <KernelConfig kConfig>
struct Sm80Mainloop {
  static constexpr Dtype kDtype = kConfig.problem.dtype;
  static constexpr int kBlockN = kConfig.tiling.block_n;
  static constexpr int kRowsPerWarp = sm80_rows_per_warp(kConfig.tiling);
  static constexpr int kRowTiles = kRowsPerWarp / 16;
  static constexpr int kChunksQk = padded_head_dim(kConfig.problem.head_dim_qk) / 8;
  static constexpr int kChunksV = padded_head_dim(kConfig.problem.head_dim_v) / 8;
  static constexpr int kStepsQk = kChunksQk / 2;  // k-steps of Q·Kᵀ
  static constexpr int kStepsPv = kBlockN / 16;   // k-steps of P·V
  static constexpr bool kCausal = kConfig.problem.mask == MaskKind::kCausal;
  static constexpr bool kQInRegisters = sm80_q_in_registers(kConfig);
  using KvMask = Mask<kConfig.problem.mask>;

  float o[kRowTiles][kChunksV * 4] = {};
  RowState rows[kRowTiles];
  const int lane = int(threadIdx.x) % 32;
  const int
      warp_row;  // of the tile: the warp's first row; by a shuffle, which ptxas knows is uniform
  const float scale_log2;
  Profiler<kConfig> profiler;
  const SmemOperand<Operand::kA, kChunksQk> smem_q;  // of the warp's rows
  u32 q_frag[kQInRegisters ? kRowTiles : 1][kQInRegisters ? kStepsQk : 1][4];

  __device__ __forceinline__ Sm80Mainloop(u32 q_tile, const FwdParams& params)
      : warp_row(__shfl_sync(0xffffffffu, int(threadIdx.x) / 32, 0) * kRowsPerWarp),
        scale_log2(params.softmax_scale_log2),
        profiler(params, int(threadIdx.x) / 32, lane == 0),
        smem_q(q_tile + u32(warp_row) * Swizzle<kChunksQk>::kPitch, lane) {}

  // Q has landed and all threads have met.
  __device__ __forceinline__ void load_q() {
    if constexpr (kQInRegisters) {
#pragma unroll
      for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
        for (int k = 0; k < kStepsQk; ++k) smem_q.load(q_frag[t][k], t, k);
      }
    }
  }

  __device__ __forceinline__ void compute_scores(float (&s)[kRowTiles][kBlockN / 2], u32 k_tile) {
    mma_gemm<kDtype, kStepsQk>(s,
                               SmemOperand<Operand::kTransposedB, kChunksQk>(k_tile, lane),
                               [&](u32(&a)[kRowTiles][4], int k) {
#pragma unroll
                                 for (int t = 0; t < kRowTiles; ++t) {
                                   if constexpr (kQInRegisters) {
#pragma unroll
                                     for (int i = 0; i < 4; ++i) a[t][i] = q_frag[t][k][i];
                                   } else {
                                     smem_q.load(a[t], t, k);
                                   }
                                 }
                               });
  }

  // Settles the maximum of the step; O and the sums move to it. kLazy votes once for all rows of
  // the warp; the shuffles stand before the branch, behind it ptxas cannot prove that the warp is
  // whole.
  __device__ __forceinline__ void update_maxima(const float (&s)[kRowTiles][kBlockN / 2]) {
    float row_max[kRowTiles][2];
    bool rise = kConfig.tiling.rescale == Rescale::kEager;
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
      block_max(s[t], scale_log2, row_max[t]);
      rise = rise || exceeds(row_max[t], rows[t]);
    }
    if (kConfig.tiling.rescale == Rescale::kLazy && !__any_sync(0xffffffffu, rise)) return;
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
      float factor[2];
      raise_max(rows[t], row_max[t], factor);
      rescale(o[t], factor);
    }
  }

  // O += P·V, 16 keys at a time: the exponentials of the next 16 stand behind the mma of these,
  // which they do not depend on, so that the two pipes run side by side.
  __device__ __forceinline__ void accumulate(float (&s)[kRowTiles][kBlockN / 2], u32 v_tile) {
    const SmemOperand<Operand::kPlainB, kChunksV> v(v_tile, lane);
    u32 p[kRowTiles][4];
    u32 b[4];
    v.load_b(b, 0, 0);
#pragma unroll
    for (int k = 0; k < kStepsPv; ++k) {
      probabilities(p, s, k);
      mma_step<kDtype, kStepsPv>(o, p, v, k, b);
    }
  }
  __device__ __forceinline__ void probabilities(u32 (&p)[kRowTiles][4],
                                                float (&s)[kRowTiles][kBlockN / 2],
                                                int slice) {
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
      exponentiate_slice(rows[t], s[t], slice, scale_log2);
      pack_slice<kDtype>(p[t], s[t], slice);
    }
  }

  // diagonal_end: of the thread's first row. One number for all rows of the thread: four limits in
  // 64-bit arithmetic here made ptxas spill.
  __device__ __forceinline__ void mask_tiles(float (&s)[kRowTiles][kBlockN / 2],
                                             int diagonal_end,
                                             int seqlen_kv,
                                             int first_key) const {
    const int end = seqlen_kv - first_key;
    const int diagonal = diagonal_end - first_key;
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
      const int limit[2] = {kCausal ? min_of(diagonal + 16 * t, end) : end,
                            kCausal ? min_of(diagonal + 16 * t + 8, end) : end};
      mask_scores(s[t], limit);
    }
  }

  template <bool kMasked>
  __device__ __forceinline__ void step(KvRing<kConfig>& ring,
                                       const KvMask& mask,
                                       int diagonal_end,
                                       int n_block) {
    profiler.mark(Stage::kLoadK, n_block);
    const u32 k_tile = ring.template acquire_k<kMasked>(n_block);
    float s[kRowTiles][kBlockN / 2] = {};
    profiler.mark(Stage::kScores, n_block);
    compute_scores(s, k_tile);
    profiler.mark(Stage::kSoftmax, n_block);
    if constexpr (kMasked) mask_tiles(s, diagonal_end, mask.seqlen_kv, n_block * kBlockN);
    update_maxima(s);
    profiler.mark(Stage::kLoadV, n_block);
    const u32 v_tile = ring.acquire_v(n_block);
    profiler.mark(Stage::kOutput, n_block);
    accumulate(s, v_tile);
  }

  // Visits all blocks that some row of the tile sees. Returns whether O of this warp holds an Inf
  // or NaN after the masked steps: rows may have caught it from a key that they do not see.
  __device__ __forceinline__ bool run(KvRing<kConfig>& ring,
                                      const KvMask& mask,
                                      int first_row,
                                      int num_blocks) {
    const int num_full = mask.num_full_blocks(first_row, kBlockN);
    const int diagonal_end = mask.diagonal_end(first_row + warp_row + lane / 4);
    int n_block = num_blocks - 1;
#pragma unroll 1
    for (; n_block >= num_full; --n_block) step<true>(ring, mask, diagonal_end, n_block);
    bool tainted = false;
    if constexpr (kCausal) {
      bool finite = true;
#pragma unroll
      for (int t = 0; t < kRowTiles; ++t) finite = all_finite(o[t]) && finite;
      tainted = __any_sync(0xffffffffu, !finite);
    }
#pragma unroll 1
    for (; n_block >= 0; --n_block) step<false>(ring, mask, diagonal_end, n_block);
    return tainted;
  }
};

}  // namespace flashjit
