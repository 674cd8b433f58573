// What a config implies: threads, the shared-memory plan, and whether it is legal. Host and device
// compute the same values from the same text, so they cannot disagree; `flashjit inspect` prints
// the plan.
#pragma once
#include "kernel_config.h"

namespace flashjit {

// A named part of a CTA's dynamic shared memory.
enum class SmemRegion : int {
  kQ = 0,     // Q tiles
  kK,         // K tiles, num_stages of them
  kV,         // V tiles
  kScores,    // S = Q·Kᵀ, fp32 (simt)
  kProbs,     // P, fp32 (simt)
  kOut,       // staging of O (sm90, Epilogue::kStaged)
  kOnes,      // panel of ones (sm90, row_sum_by_mma)
  kBarriers,  // mbarriers (sm90)
  kTileInfo,  // tile numbers handed from producer to consumers (sm90)
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

}  // namespace flashjit
