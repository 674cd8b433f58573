// The consumer of the sm90 forward: a warpgroup that owns 64 query rows of every tile of its CTA.
// S = Q·Kᵀ of a block is issued before P·V of the block before (Tiling::overlap), so the tensor
// cores work while the exponentials run. Blocks are visited from right to left: first those that
// need a mask, then the rest in a loop without mask code; both loops are one body, step().
//
//   barrier      arrives                                  waits       arrivals
//   q_full[q]    producer, then TMA; the last time, with  consumers   1, and the bytes of Q
//                m_block −1 for the end, the producer
//                alone
//   q_empty[q]   lane 0 of every consumer warp; with      producer    4 · warpgroups
//                Epilogue::kThroughQ one thread of every                warpgroups
//                warpgroup, when O has left the buffer
//   k_full[s]    producer, then TMA                       consumers   1, and the bytes of K
//   k_empty[s]   lane 0 of every consumer warp            producer    4 · warpgroups
//   v_full[s], v_empty[s]: the same for V
//                In a cluster one CTA loads K and another V, for all: every CTA has its own full
//                barriers, and the consumers of all arrive at the loader's empty ones.
//                A producer that does not load waits for its full barriers' rounds before.
//   next_full    in a cluster that takes tiles from the   this       1, and the number
//                counter: the producer that is told of    producer
//                the next, then its number
//   next_empty   the producers that have been told        producer   CTAs − 1
//                                                         that takes
//   named 1 + w  ping-pong: warpgroup w − 1               warpgroup w 256
//   named 5 + w  warpgroup w, around its staging of O     warpgroup w 128
//
// One lane arrives for its warp only after something that all 32 lanes take part in: the wait for
// the products that read the buffer, or __syncwarp().
#pragma once
#include "attention/sm90_softmax.cuh"
#include "profiler.cuh"
#include "ptx/shared_memory.h"
#include "sm90/epilogue.cuh"
#include "sm90/gemm.cuh"
#include "sm90/masked_values.cuh"
#include "sm90/probs.cuh"

namespace flashjit {

template <KernelConfig kConfig>
struct Sm90Consumer {
  static constexpr Problem kProblem = kConfig.problem;
  static constexpr Tiling kTiling = kConfig.tiling;
  static constexpr int kBlockM = kTiling.block_m;
  static constexpr int kBlockN = kTiling.block_n;
  static constexpr int kWarpgroups = sm90_num_warpgroups(kTiling);
  static constexpr int kScoreRegs = kBlockN / 2;
  static constexpr int kOutputRegs = sm90_output_columns(kConfig) / 2;
  // Without a mask only a tile's first block can need one, for the tail of the keys.
  static constexpr bool kManyMasked = kProblem.mask != MaskKind::kNone;
  static constexpr bool kThroughQ = kTiling.epilogue == Epilogue::kThroughQ;
  using Smem = SmemMap<kConfig>;
  using KvRing = Ring<kTiling.num_stages>;
  using QRing = Ring<kTiling.num_q_stages>;
  using Softmax = Sm90Softmax<kTiling.rescale, kProblem.dtype, !kTiling.row_sum_by_mma>;
  using Output = Sm90Epilogue<kConfig, kTiling.epilogue>;

  // Registers of the two products; apart from the rest of the state because every element must
  // stay a register of its own.
  struct Accumulators {
    float s[kScoreRegs];
    float o[kOutputRegs];
    Sm90Probs<kConfig> p;
  };

  const Sm90FwdParams& params;
  Smem smem;
  int warpgroup;
  int lane = int(threadIdx.x) % 32;
  int warp = int(threadIdx.x) % 128 / 32;  // in the warpgroup
  float scale_log2 = params.fwd.softmax_scale_log2;
  Profiler<kConfig> profiler{params.fwd, 1 + warpgroup, int(threadIdx.x) % 128 == 0};

  u32 q_desc = 0;
  u32 k_desc = row_descriptor(smem.k(0));
  u32 v_desc = transposed_descriptor(smem.v(0), kVPanelStride);
  u32 probs_desc = row_descriptor(smem.probs(warpgroup));  // probs_in_smem
  Smem k_loader = smem.in_cta(kKLoader);                   // for the barriers that are another's
  Smem v_loader = smem.in_cta(kVLoader);
  int kv_position = 0;  // in the K/V ring, of the tile's first block
  int q_position = 0;   // in the ring of Q buffers, of the next tile
  u32 q_stage = 0;
  int first_row = 0;  // of the warpgroup
  int head = 0, batch = 0;
  int num_blocks = 0;  // that this warpgroup visits
  int num_full = 0;    // of these, the ones without a mask
  int row_limit[2];    // keys that this thread's two rows see

  // With a panel of ones P·V's extra columns come from there: it stands where the panel after V's
  // would, by a panel stride that shrinks as the ring's stage moves up.
  static constexpr u32 kVPanelStride =
      sm90_ones_in_panel(kConfig)
          ? Smem::kPlan.at(SmemRegion::kOnes) - Smem::kPlan.at(SmemRegion::kV)
          : kBlockN * kPanelRowBytes;
  static constexpr u32 kVStageStep =
      Smem::kVBytes / 16 * (sm90_ones_in_panel(kConfig) ? 1u - (1u << 16) : 1u);

  // ---- barriers

  __device__ __forceinline__ void release(u32 bar) const {
    if constexpr (kTiling.cluster_size == 1) {
      if (lane == 0) ptx::mbarrier_arrive(bar);
    } else {
      if (lane == 0) ptx::mbarrier_arrive_cluster(bar);
    }
  }
  __device__ __forceinline__ void wait_k(int position) const {
    wait_barrier(smem.k_full(KvRing::stage(position)), KvRing::phase(position));
  }
  __device__ __forceinline__ void wait_v(int position) const {
    wait_barrier(smem.v_full(KvRing::stage(position)), KvRing::phase(position));
  }
  // To the CTA that loads K, or V.
  __device__ __forceinline__ void release_k(int position) const {
    release(k_loader.k_empty(KvRing::stage(position)));
  }
  __device__ __forceinline__ void release_v(int position) const {
    release(v_loader.v_empty(KvRing::stage(position)));
  }
  // After the last Q·Kᵀ of a tile; an epilogue through Q keeps the buffer.
  __device__ __forceinline__ void release_q_if(bool last) const {
    if constexpr (!kThroughQ) ptx::mbarrier_arrive_if(last & (lane == 0), smem.q_empty(q_stage));
  }
  __device__ __forceinline__ void take_turn() const {
    if constexpr (kTiling.ping_pong) ptx::bar_sync(1 + warpgroup, 256);
  }
  __device__ __forceinline__ void pass_turn() const {
    if constexpr (kTiling.ping_pong)
      ptx::bar_arrive(1 + (warpgroup + 1 == kWarpgroups ? 0 : warpgroup + 1), 256);
  }

  // ---- tiles

  // Waits for the next tile's Q and takes its number; false after the last one.
  __device__ __forceinline__ bool fetch_tile() {
    profiler.mark(Stage::kLoadQ);
    u32 stage = QRing::stage(q_position);
    wait_barrier(smem.q_full(stage), QRing::phase(q_position));
    // All lanes have waited, and who reads hands the buffer back later.
    U32x4 info{};
    if (lane == 0) info = ptx::ld_shared_v4(smem.tile_info(stage));
    __syncwarp();
    const int m_block = uniform(int(info.x));
    if (m_block < 0) return false;
    num_blocks = uniform(int(info.y));
    head = uniform(int(info.z));
    batch = uniform(int(info.w));
    first_row = m_block * kBlockM + warpgroup * kWarpgroupRows;
    num_full = mask().num_full_blocks(first_row, kBlockN);
    ++q_position;
    if constexpr (kTiling.skip_masked) skip_masked_blocks();
    make_uniform();
    q_stage = QRing::stage(q_position - 1);
    q_desc = row_descriptor(smem.q(0, warpgroup)) + q_stage * (Smem::kQBytes / 16);
    return true;
  }

  __device__ __forceinline__ Mask<kProblem.mask> mask() const {
    return {params.fwd.seqlen_kv, params.fwd.diagonal};
  }

  // Blocks that other warpgroups of the tile need but none of these 64 rows sees are only handed
  // back, with their turns of the ping-pong. Leaves num_blocks = 0 if that is all of them.
  __device__ __forceinline__ void skip_masked_blocks() {
    const int end_row = min_of(first_row + kWarpgroupRows, params.fwd.seqlen_q);
    const int needed = end_row > first_row ? mask().num_blocks(end_row - 1, kBlockN) : 0;
    const int all = num_blocks;
#pragma unroll 1
    for (; num_blocks > needed; --num_blocks, ++kv_position) {
      // With overlap, a tile's first block takes no turn.
      if (!kTiling.overlap || num_blocks < all || needed > 0) {
        take_turn();
        pass_turn();
      }
      wait_k(kv_position);
      kv_position = uniform(kv_position);
      release_k(kv_position);
      wait_v(kv_position);
      kv_position = uniform(kv_position);
      release_v(kv_position);
    }
    if (num_blocks == 0) {
      q_stage = QRing::stage(q_position - 1);
      release_q_if(true);
    }
  }

  // Back to uniform registers after loops and branches that ptxas cannot see through: it costs a
  // few shuffles a tile, where up to 29 R2UR in every step were seen without. The descriptors of K
  // and V never change; as opaque values they are not computed again in every step.
  __device__ __forceinline__ void make_uniform() {
    q_desc = uniform(q_desc);
    k_desc = uniform(k_desc);
    v_desc = uniform(v_desc);
    if constexpr (kTiling.probs_in_smem) probs_desc = uniform(probs_desc);
    num_blocks = uniform(num_blocks);
    num_full = uniform(num_full);
    kv_position = uniform(kv_position);
    q_position = uniform(q_position);
  }

  // ---- blocks

  __device__ __forceinline__ void issue_scores(Accumulators& acc, int position) const {
    gemm_scores<kConfig>(acc.s, q_desc, k_desc + KvRing::stage(position) * (Smem::kKBytes / 16));
  }
  __device__ __forceinline__ void issue_output(Accumulators& acc, int position) const {
    const u32 v = v_desc + KvRing::stage(position) * kVStageStep;
    if constexpr (kTiling.probs_in_smem) {
      gemm_output<kConfig>(acc.o, probs_desc, v);
    } else {
      gemm_output<kConfig>(acc.o, acc.p.fragments, v);
    }
  }

  // Keys that the thread's two rows see of block n_block and of those behind it, which have been
  // visited already.
  struct VisibleKeys {
    int row[2];
  };
  __device__ __forceinline__ VisibleKeys visible_keys(int n_block) const {
    return {row_limit[0] - n_block * kBlockN, row_limit[1] - n_block * kBlockN};
  }

  // The first block of a tile: nothing of it overlaps with P·V.
  __device__ __forceinline__ void first_step(Accumulators& acc, Softmax& softmax) {
    profiler.mark(Stage::kLoadK, num_blocks - 1);
    wait_k(kv_position);
    profiler.mark(Stage::kScores, num_blocks - 1);
    issue_scores(acc, kv_position);
    ptx::wgmma_wait<0>();
    ptx::pin_registers(acc.s);
    profiler.mark(Stage::kSoftmax, num_blocks - 1);
    release_k(kv_position);
    release_q_if(num_blocks == 1);
    const VisibleKeys visible = visible_keys(num_blocks - 1);
    mask_scores(acc.s, visible.row);
    softmax.prepare(acc.s, scale_log2);
    softmax.template update<true, true>(acc.s, visible.row, scale_log2, acc.o, acc.p);
    acc.p.publish();
  }

  // S of block n_block beside P·V of block n_block + 1, then P of n_block.
  template <bool kMasked>
  __device__ __forceinline__ void step(Accumulators& acc, Softmax& softmax, int n_block) {
    const int position = kv_position + (num_blocks - 1 - n_block);
    profiler.mark(Stage::kLoadK, n_block);
    wait_k(position);
    take_turn();
    profiler.mark(Stage::kScores, n_block);
    issue_scores(acc, position);
    wait_v(position - 1);
    issue_output(acc, position - 1);
    pass_turn();
    ptx::wgmma_wait<1>();
    ptx::pin_registers(acc.s);
    profiler.mark(Stage::kSoftmax, n_block);
    release_k(position);
    release_q_if(n_block == 0);
    const VisibleKeys visible = visible_keys(n_block);
    if constexpr (kMasked) mask_scores(acc.s, visible.row);
    softmax.prepare(acc.s, scale_log2);
    profiler.mark(Stage::kOutput, n_block + 1);
    ptx::wgmma_wait<0>();
    ptx::pin_registers(acc.o);
    ptx::pin_registers(acc.s);
    profiler.mark(Stage::kSoftmax, n_block);
    release_v(position - 1);
    softmax.template update<kMasked, kMasked>(acc.s, visible.row, scale_log2, acc.o, acc.p);
    acc.p.publish();
  }

  // The same without overlap: S, P and P·V of one block after another.
  template <bool kMasked>
  __device__ __forceinline__ void serial_step(Accumulators& acc, Softmax& softmax, int n_block) {
    const int position = kv_position + (num_blocks - 1 - n_block);
    profiler.mark(Stage::kLoadK, n_block);
    wait_k(position);
    take_turn();
    profiler.mark(Stage::kScores, n_block);
    issue_scores(acc, position);
    ptx::wgmma_wait<0>();
    ptx::pin_registers(acc.s);
    profiler.mark(Stage::kSoftmax, n_block);
    pass_turn();
    release_k(position);
    release_q_if(n_block == 0);
    const VisibleKeys visible = visible_keys(n_block);
    if constexpr (kMasked) mask_scores(acc.s, visible.row);
    softmax.prepare(acc.s, scale_log2);
    softmax.template update<kMasked, kMasked>(acc.s, visible.row, scale_log2, acc.o, acc.p);
    acc.p.publish();
    finish_output(acc, position, n_block);
  }

  __device__ __forceinline__ void finish_output(Accumulators& acc, int position, int n_block) {
    profiler.mark(Stage::kLoadV, n_block);
    wait_v(position);
    profiler.mark(Stage::kOutput, n_block);
    issue_output(acc, position);
    ptx::wgmma_wait<0>();
    ptx::pin_registers(acc.o);
    release_v(position);
  }

  __device__ __forceinline__ void compute_tile(Accumulators& acc,
                                               Softmax& softmax,
                                               Output& output) {
    const int row = first_row + warp * 16 + lane / 4;
    row_limit[0] = mask().row_limit(row);
    row_limit[1] = mask().row_limit(row + 8);
    int n_block = num_blocks - 1;
    if constexpr (kTiling.overlap) {
      first_step(acc, softmax);
      --n_block;
      output.begin_tile();
      make_uniform();
      n_block = uniform(n_block);
      if constexpr (kManyMasked) {
#pragma unroll 1
        for (; n_block >= num_full; --n_block) step<true>(acc, softmax, n_block);
        make_uniform();
        n_block = uniform(n_block);
      }
#pragma unroll 1
      for (; n_block >= 0; --n_block) step<false>(acc, softmax, n_block);
      finish_output(acc, kv_position + num_blocks - 1, 0);
    } else {
      serial_step<true>(acc, softmax, n_block--);
      output.begin_tile();
      make_uniform();
      n_block = uniform(n_block);
      if constexpr (kManyMasked) {
#pragma unroll 1
        for (; n_block >= num_full; --n_block) serial_step<true>(acc, softmax, n_block);
        make_uniform();
        n_block = uniform(n_block);
      }
#pragma unroll 1
      for (; n_block >= 0; --n_block) serial_step<false>(acc, softmax, n_block);
    }
  }

  // O = O / l, and LSE = (offset + log2 l) · ln 2. Returns the rows that must be computed again.
  __device__ __forceinline__ WrongRows normalise(Accumulators& acc, const Softmax& softmax) const {
    float row_sum[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      if constexpr (kTiling.row_sum_by_mma) {
        row_sum[r] = acc.o[kProblem.head_dim_v / 2 + 2 * r];
      } else {
        row_sum[r] = quad_sum(softmax.row_sum[r]);
      }
    }
    WrongRows wrong;
    if constexpr (kProblem.mask == MaskKind::kCausal) wrong = find_wrong_rows(acc.o, row_sum);
    float inverse[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      inverse[r] = row_sum[r] == 0.0f ? 0.0f : ptx::rcp_approx(row_sum[r]);  // no key seen: O = 0
      const int row = first_row + warp * 16 + lane / 4 + 8 * r;
      if (kProblem.return_lse && lane % 4 == 0 && row < params.fwd.seqlen_q) {
        const i64 pair = i64(batch) * params.fwd.num_heads_q + head;
        params.fwd.lse[pair * params.fwd.seqlen_q + row] =
            (softmax.offset[r] + ptx::log2_approx(row_sum[r])) * kLn2;  // no key seen: −inf
      }
    }
    rescale(acc.o, inverse);
    return wrong;
  }

  __device__ __forceinline__ void run() {
    Accumulators acc;
    acc.p.init(smem, warpgroup, warp * 32 + lane);
    Output output{params, smem, warpgroup, warp * 32 + lane};
    if (kTiling.ping_pong && warpgroup == kWarpgroups - 1) pass_turn();  // warpgroup 0 goes first
    while (fetch_tile()) {
      profiler.begin_tile(first_row, head, batch);
      Softmax softmax;
#pragma unroll
      for (int i = 0; i < kOutputRegs; ++i) acc.o[i] = 0.0f;
      if (!kTiling.skip_masked || num_blocks > 0) compute_tile(acc, softmax, output);
      kv_position += num_blocks;
      profiler.mark(Stage::kEpilogue);
      const WrongRows wrong = normalise(acc, softmax);
      if (output.store(acc.o, {first_row, head, batch, q_stage}, wrong.any())) {
        output.wait_stored();
        recompute_wrong_rows<kConfig>(params.fwd, {0, head, batch}, first_row + warp * 16, wrong);
      }
    }
    output.finish();
    profiler.finish();
  }
};

}  // namespace flashjit
