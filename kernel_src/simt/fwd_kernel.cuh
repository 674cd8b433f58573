// Flash attention in its smallest form, for reading and for every dtype and arch: one CTA per tile
// of block_m query rows, a loop over tiles of block_n keys, S and P in shared memory, no tensor
// cores. The generated kernel calls fwd_simt(); the grid is num_ctas() in variant_plan.h.
//
//   for each key block j, from right to left          tiles in shared memory (64x64, head_dim 64)
//     S = Q · K_jᵀ                                    Q, K, V   64x64 elements   8 KB each in 16
//     bit m_new = max(m, rowmax S)                        S, P      64x64 fp32      16 KB each
//     correction = exp(m - m_new)
//     P = exp(S - m_new)                              m and l live in the registers of the threads
//     l = l · correction + rowsum P                   that share a row, O in those of all threads
//     O = O · correction + P · V_j
//   O = O / l
//
//   barrier of a step        what it separates
//   1 before the loads       all threads have read K, V, P of the step before
//   2 after the loads        K and V are there
//   3 after Q·Kᵀ             S is there
//   4 after the softmax      P and the corrections are there
#pragma once
#include "attention/mask.cuh"
#include "attention/scheduler.cuh"
#include "attention/softmax.cuh"
#include "profiler.cuh"
#include "tile/fma_gemm.cuh"
#include "variant_plan.h"

namespace flashjit {

template <KernelConfig kConfig>
struct SimtForward {
  static constexpr Dtype kDtype = kConfig.problem.dtype;
  static constexpr int kHeadDim = kConfig.problem.head_dim_qk;
  static constexpr int kHeadDimV = kConfig.problem.head_dim_v;
  static constexpr int kBlockM = kConfig.tiling.block_m;
  static constexpr int kBlockN = kConfig.tiling.block_n;
  static constexpr SmemPlan kPlan = smem_plan(kConfig);
  static constexpr int kLanesPerRow = kFmaThreads / kBlockM;  // threads that share a softmax row
  using Scores = ScoreTile<kBlockN>;
  using Output = FmaOutput<kDtype, kBlockM, kHeadDimV>;

  const FwdParams& params;
  const TileCoord tile;
  const int first_row;  // of the tile
  const Mask<kConfig.problem.mask> mask;
  const u32 smem_q, smem_k, smem_v, smem_s, smem_p;

  // Softmax: this thread's row and its state. All kLanesPerRow threads hold the same values.
  const int softmax_row = int(threadIdx.x) / kLanesPerRow;
  float row_max = kNegInf;  // scaled: softmax_scale_log2 · max of the scores; -inf: no key yet
  float row_sum = 0.0f;

  Output out;
  Profiler<kConfig> profiler{params, int(threadIdx.x) / 32, int(threadIdx.x) % 32 == 0};

  __device__ __forceinline__ SimtForward(const FwdParams& p, const TileCoord& t, u32 smem)
      : params(p),
        tile(t),
        first_row(t.m_block * kBlockM),
        mask{p.seqlen_kv, p.diagonal},
        smem_q(smem + kPlan.at(SmemRegion::kQ)),
        smem_k(smem + kPlan.at(SmemRegion::kK)),
        smem_v(smem + kPlan.at(SmemRegion::kV)),
        smem_s(smem + kPlan.at(SmemRegion::kScores)),
        smem_p(smem + kPlan.at(SmemRegion::kProbs)) {}

  // S = Q · Kᵀ, raw.
  __device__ __forceinline__ void compute_scores() const {
    float acc[kBlockM / 16][kBlockN / 16] = {};
    fma_gemm_nt<kDtype, kHeadDim>(acc, smem_q, smem_k);
    const int ty = int(threadIdx.x) / 16;
    const int tx = int(threadIdx.x) % 16;
#pragma unroll
    for (int i = 0; i < kBlockM / 16; ++i) {
#pragma unroll
      for (int j = 0; j < kBlockN / 16; ++j)
        ptx::st_shared_f32(smem_s + Scores::offset(ty + 16 * i, tx + 16 * j), acc[i][j]);
    }
  }

  // A quantity of the whole row, from the parts of the threads that share it.
  template <class Combine>
  static __device__ __forceinline__ float reduce_row(float x, Combine combine) {
#pragma unroll
    for (int lanes = 1; lanes < kLanesPerRow; lanes *= 2)
      x = combine(x, __shfl_xor_sync(0xffffffffu, x, lanes));
    return x;
  }

  // Online softmax: P from S, and the correction of O into S[row][0], which lane 0 alone has read.
  template <bool kMasked>
  __device__ __forceinline__ void softmax_step(int first_key) {
    constexpr int kChunksPerThread = ceil_div(Scores::kChunks, kLanesPerRow);
    const int lane = int(threadIdx.x) % kLanesPerRow;
    const int limit = mask.row_limit(first_row + softmax_row) - first_key;
    float s[kChunksPerThread][4];
    float block_max = kNegInf;
#pragma unroll
    for (int i = 0; i < kChunksPerThread; ++i) {
      const int chunk = lane + i * kLanesPerRow;
      if (chunk >= Scores::kChunks) continue;
      unpack_chunk<Dtype::kFp32>(
          ptx::ld_shared_v4(smem_s + Scores::chunk_offset(softmax_row, chunk)), s[i]);
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        if (kMasked && chunk * 4 + c >= limit) s[i][c] = kNegInf;
        block_max = ptx::max_f32(block_max, s[i][c]);
      }
    }
    // exp(s - m) as one FFMA and one exp2; a row without a visible key has no maximum to subtract.
    const float scale = params.softmax_scale_log2;
    block_max = reduce_row(block_max, [](float a, float b) { return ptx::max_f32(a, b); });
    const float new_max = ptx::max_f32(row_max, block_max * scale);
    const float offset = new_max == kNegInf ? 0.0f : new_max;
    const float correction = rescale_factor(row_max, new_max);
    float block_sum = 0.0f;
#pragma unroll
    for (int i = 0; i < kChunksPerThread; ++i) {
      const int chunk = lane + i * kLanesPerRow;
      if (chunk >= Scores::kChunks) continue;
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        s[i][c] = ptx::exp2_approx(__fmaf_rn(s[i][c], scale, -offset));
        block_sum += s[i][c];
      }
      ptx::st_shared_v4(smem_p + Scores::chunk_offset(softmax_row, chunk),
                        pack_chunk<Dtype::kFp32>(s[i]));
    }
    row_sum = row_sum * correction + reduce_row(block_sum, [](float a, float b) { return a + b; });
    row_max = new_max;
    if (lane == 0) ptx::st_shared_f32(smem_s + Scores::offset(softmax_row, 0), correction);
  }

  // O = O · correction + P · V.
  template <bool kMasked>
  __device__ __forceinline__ void accumulate_output(int first_key) {
    int limit[Output::kRows];
#pragma unroll
    for (int i = 0; i < Output::kRows; ++i) {
      const int row = Output::row() + i * Output::kRowThreads;
      limit[i] = mask.row_limit(first_row + row) - first_key;
      out.scale_row(i, ptx::ld_shared_f32(smem_s + Scores::offset(row, 0)));
    }
    out.template accumulate<kBlockN, kMasked>(smem_p, smem_v, limit);
  }

  template <bool kMasked>
  __device__ __forceinline__ void step(int n_block) {
    const int first_key = n_block * kBlockN;
    const int kv_head = tile.head / params.heads_per_kv;
    const char* k = row_address<kDtype>(params.k, params.k_stride, tile.batch, first_key, kv_head);
    const char* v = row_address<kDtype>(params.v, params.v_stride, tile.batch, first_key, kv_head);
    const int keys = params.seqlen_kv - first_key;
    profiler.mark(Stage::kLoadK, n_block);
    __syncthreads();
    load_tile<kDtype, kBlockN, kHeadDim, kMasked>(
        smem_k, k, params.k_stride.seq * size_of(kDtype), keys);
    profiler.mark(Stage::kLoadV, n_block);
    load_tile<kDtype, kBlockN, kHeadDimV, kMasked>(
        smem_v, v, params.v_stride.seq * size_of(kDtype), keys);
    __syncthreads();
    profiler.mark(Stage::kScores, n_block);
    compute_scores();
    __syncthreads();
    profiler.mark(Stage::kSoftmax, n_block);
    softmax_step<kMasked>(first_key);
    __syncthreads();
    profiler.mark(Stage::kOutput, n_block);
    accumulate_output<kMasked>(first_key);
  }

  // O = O / l and its store; LSE = m + ln l.
  __device__ __forceinline__ void epilogue() {
    const bool empty = row_sum == 0.0f;
    __syncthreads();
    if (int(threadIdx.x) % kLanesPerRow == 0) {
      ptx::st_shared_f32(smem_s + Scores::offset(softmax_row, 0), empty ? 0.0f : 1.0f / row_sum);
      const int row = first_row + softmax_row;
      if (kConfig.problem.return_lse && row < params.seqlen_q) {
        const i64 pair = i64(tile.batch) * params.num_heads_q + tile.head;
        params.lse[pair * params.seqlen_q + row] =
            empty ? kNegInf : (row_max + ptx::log2_approx(row_sum)) * kLn2;
      }
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < Output::kRows; ++i) {
      const int row = Output::row() + i * Output::kRowThreads;
      out.scale_row(i, ptx::ld_shared_f32(smem_s + Scores::offset(row, 0)));
      if (Output::owns_rows() && first_row + row < params.seqlen_q) {
        out.store_row(
            i,
            row_address<kDtype>(params.o, params.o_stride, tile.batch, first_row + row, tile.head));
      }
    }
  }

  __device__ __forceinline__ void run() {
    profiler.begin_tile(first_row, tile.head, tile.batch);
    profiler.mark(Stage::kLoadQ);
    load_tile<kDtype, kBlockM, kHeadDim, true>(
        smem_q,
        row_address<kDtype>(params.q, params.q_stride, tile.batch, first_row, tile.head),
        params.q_stride.seq * size_of(kDtype),
        params.seqlen_q - first_row,
        params.negate_q);
    const int last_row = min_of(first_row + kBlockM, params.seqlen_q) - 1;
    const int num_full = mask.num_full_blocks(first_row, kBlockN);
    int n_block = mask.num_blocks(last_row, kBlockN) - 1;
    for (; n_block >= num_full; --n_block) step<true>(n_block);
    for (; n_block >= 0; --n_block) step<false>(n_block);
    profiler.mark(Stage::kEpilogue);
    epilogue();
    profiler.finish();
  }
};

template <KernelConfig kConfig>
__device__ __forceinline__ void fwd_simt(const FwdParams& params) {
  const TileCoord tile = decode_tile<kConfig>(params, u32(blockIdx.x));
  SimtForward<kConfig>(params, tile, ptx::dynamic_smem()).run();
}

}  // namespace flashjit
