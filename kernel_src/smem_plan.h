// Vocabulary of the per-family plans (simt/plan.h …): the shared-memory plan of a CTA, its threads,
// and what an arch offers. variant_plan.h puts the families together.
#pragma once
#include "kernel_config.h"

namespace flashjit {

// A named part of a CTA's dynamic shared memory.
enum class SmemRegion : int {
  kQ = 0,     // Q tiles; sm80 stages O here, standard the tile that leaves
  kK,         // K tiles, num_stages of them; standard: P tiles of P·V too
  kV,         // V tiles
  kScores,    // S = Q·Kᵀ, fp32 (simt)
  kProbs,     // P, fp32 (simt) or 16 bits (sm90, probs_in_smem)
  kOut,       // staging of O (sm90, Epilogue::kStaged)
  kOnes,      // panel of ones (sm90, row_sum_by_mma)
  kBarriers,  // mbarriers (sm90)
  kTileInfo,  // tiles handed from producer to consumers (sm90)
  kNextTile,  // number of a tile handed from CTA to CTA of a cluster (sm90)
  kCount
};

struct SmemPlan {
  int offset[static_cast<int>(SmemRegion::kCount)] = {};  // bytes from the start
  int bytes[static_cast<int>(SmemRegion::kCount)] = {};   // 0: the region does not exist
  int total = 0;

  constexpr int at(SmemRegion region) const { return offset[static_cast<int>(region)]; }
  constexpr int size(SmemRegion region) const { return bytes[static_cast<int>(region)]; }
  constexpr void add(SmemRegion region, int size) {
    offset[static_cast<int>(region)] = total;
    bytes[static_cast<int>(region)] = size;
    total += size;
  }
};

constexpr int num_threads(const KernelConfig& config) {
  const Tiling& t = config.tiling;
  return t.family == Family::kSm90 ? 32 * t.num_warps + 128 : 32 * t.num_warps;
}

// The most dynamic shared memory that one CTA gets on `arch`, in bytes (CUDA C++ Programming Guide,
// table "Technical Specifications per Compute Capability").
constexpr int max_smem_bytes(const Arch& arch) {
  const int cc = 10 * arch.major + arch.minor;
  if (cc == 80 || cc == 87) return 163 * 1024;
  if (cc == 86 || cc == 89 || arch.major == 12) return 99 * 1024;
  if (cc == 90 || arch.major == 10 || arch.major == 11) return 227 * 1024;
  return cc == 75 ? 64 * 1024 : 48 * 1024;
}

// Shared memory of one SM, in bytes, of which each resident CTA takes its plan and 1 KiB more.
constexpr int smem_bytes_per_sm(const Arch& arch) { return max_smem_bytes(arch) + 1024; }

// How many CTAs of `total` bytes of shared memory fit on one SM.
constexpr int ctas_per_sm_by_smem(const Arch& arch, int total) {
  return smem_bytes_per_sm(arch) / (total + 1024);
}

// Columns of a 16-bit tile in shared memory: mma.m16n8k16 reads 16 at a time.
constexpr int padded_head_dim(int head_dim) { return round_up(head_dim, 16); }

// True when the fields that only sm90 reads are at their defaults.
constexpr bool sm90_fields_at_defaults(const Tiling& t) {
  const Tiling d;
  return t.num_q_stages == d.num_q_stages && t.overlap == d.overlap && t.ping_pong == d.ping_pong &&
         t.skip_masked == d.skip_masked && t.row_sum_by_mma == d.row_sum_by_mma &&
         t.probs_in_smem == d.probs_in_smem && t.cluster_size == d.cluster_size &&
         t.schedule == d.schedule && t.epilogue == d.epilogue &&
         t.producer_regs == d.producer_regs && t.consumer_regs == d.consumer_regs;
}

}  // namespace flashjit
