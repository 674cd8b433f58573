// What a variant is: one aggregate, compiled by the host compiler, NVRTC and the emulator alike and
// used as a template argument by every kernel. `Problem` is what the result depends on, `Tiling` is
// what only speed depends on, `Arch` is the compilation target. Names and sources are made of it in
// runtime/variant_source.
#pragma once
#include "types.h"

namespace flashjit {

enum class MaskKind : int {
  kNone = 0,
  kCausal =
      1,  // row i sees key j iff j <= i + FwdParams::diagonal; the alignment is a run-time value
};

// Everything that the numbers in O and LSE depend on, apart from shapes and strides.
struct Problem {
  Dtype dtype = Dtype::kBf16;
  int head_dim_qk = 128;  // columns of Q and K: a multiple of 8 up to 256
  int head_dim_v = 128;   // columns of V and O: a multiple of 8 up to 256
  MaskKind mask = MaskKind::kNone;
  bool return_lse = false;  // the log-sum-exp output exists

  constexpr bool operator==(const Problem&) const = default;
};

// Which kernel text; not the same as the arch: an sm80 kernel also runs on Hopper.
enum class Family : int { kStandard = 0, kSimt = 1, kSm80 = 2, kSm90 = 3 };

// How CTAs find their tiles.
enum class Schedule : int {
  kOneTile = 0,  // one CTA per tile, in launch order
  kStatic = 1,   // persistent CTAs, tile += gridDim.x
  kDynamic = 2,  // persistent CTAs, an atomic counter, longest tiles first
};

// What online softmax does when the row maximum grows. All three are exact.
enum class Rescale : int {
  kEager = 0,       // O and the row sum are multiplied in every step
  kLazy = 1,        // only when an element exceeds the maximum in use by more than 2^8
  kOptimistic = 2,  // exponentials first, with the maximum in use; redone only if one reached 2
};

// How O leaves the CTA.
enum class Epilogue : int {
  kDirect = 0,    // registers to global memory
  kThroughQ = 1,  // through the Q tile's shared memory
  kStaged = 2,    // through shared memory of its own
};

// Everything that only speed depends on. A family ignores the fields that it has no use for;
// is_legal() asks for their defaults there, so that equal kernels have equal configs.
struct Tiling {
  Family family = Family::kSimt;
  int block_m = 64;        // query rows of a CTA's tile
  int block_n = 64;        // keys of one step
  int num_stages = 1;      // depth of the K/V ring
  int num_q_stages = 1;    // Q tiles in shared memory (sm90)
  int num_warps = 8;       // simt, sm80: warps of a CTA; sm90: consumer warps, 4 for each 64 rows
  bool overlap = false;    // sm90: Q·Kᵀ of the next block is issued before P·V of this one
  bool ping_pong = false;  // sm90: warpgroups take turns issuing their GEMMs
  bool skip_masked =
      false;  // sm90: a warpgroup hands back blocks that are masked for all of its 64 rows
  bool row_sum_by_mma = false;  // sm90: row sums from the tensor core, over columns of ones
  bool probs_in_smem = false;   // sm90: P·V reads P from shared memory instead of registers
  int cluster_size = 1;         // sm90: CTAs that share K and V by multicast, on tiles side by side
  Schedule schedule = Schedule::kOneTile;
  Rescale rescale = Rescale::kEager;
  Epilogue epilogue = Epilogue::kDirect;
  int producer_regs = 0;  // sm90: registers per thread of the producer warpgroup after setmaxnreg
  int consumer_regs = 0;  // sm90: and of each consumer warpgroup

  constexpr bool operator==(const Tiling&) const = default;
};

// The compilation target, sm_<major><minor>, with the suffix `a` when `specific`.
struct Arch {
  int major = 8;
  int minor = 0;
  bool specific = false;

  constexpr bool operator==(const Arch&) const = default;
};

struct KernelConfig {
  Problem problem;
  Tiling tiling;
  Arch arch;
  bool profile = false;  // record timestamps, see profile_plan.h; the result is the same

  constexpr bool operator==(const KernelConfig&) const = default;
};

}  // namespace flashjit
