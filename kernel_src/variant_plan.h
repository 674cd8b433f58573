// What a config implies: threads, the shared-memory plan, launch bounds, and whether it is legal.
// Host and device compute the same values from the same text, so they cannot disagree; `flashjit
// inspect` prints the plan. Each family answers for itself in <family>/plan.h.
//
// Launch geometry of the fused families simt and sm80: a linear grid of num_ctas() CTAs, one per
// (m_block, q_head, batch), decoded by attention/scheduler.cuh. An sm90 grid is made by
// runtime/tile_schedule; the six grids of the standard family stand in standard/plan.h.
#pragma once
#include "simt/plan.h"
#include "sm80/plan.h"
#include "sm90/plan.h"
#include "smem_plan.h"
#include "standard/plan.h"

namespace flashjit {

constexpr SmemPlan smem_plan(const KernelConfig& config) {
  switch (config.tiling.family) {
    case Family::kStandard:
      return standard_smem_plan(config);
    case Family::kSimt:
      return simt_smem_plan(config);
    case Family::kSm80:
      return sm80_smem_plan(config);
    case Family::kSm90:
      return sm90_smem_plan(config);
  }
  return {};
}

constexpr int smem_bytes(const KernelConfig& config) { return smem_plan(config).total; }

// Second argument of __launch_bounds__: CTAs that shall share an SM. It caps the registers.
constexpr int min_ctas_per_sm(const KernelConfig& config) {
  switch (config.tiling.family) {
    case Family::kSimt:
      return simt_min_ctas_per_sm(config);
    case Family::kSm80:
      return sm80_min_ctas_per_sm(config);
    default:
      return 1;
  }
}

// Grid of the fused one-tile families.
constexpr i64 num_ctas(const KernelConfig& config, int batch, int num_heads_q, int seqlen_q) {
  const i64 num_m_blocks = (i64(seqlen_q) + config.tiling.block_m - 1) / config.tiling.block_m;
  return num_m_blocks * num_heads_q * batch;
}

// nullptr when the config can be compiled and run; else the reason, for people.
constexpr const char* why_illegal(const KernelConfig& config) {
  const Problem& p = config.problem;
  if (p.head_dim_qk < 8 || p.head_dim_qk > 256 || p.head_dim_qk % 8 != 0)
    return "head_dim_qk is not a multiple of 8 in 8 … 256";
  if (p.head_dim_v < 8 || p.head_dim_v > 256 || p.head_dim_v % 8 != 0)
    return "head_dim_v is not a multiple of 8 in 8 … 256";
  const char* reason = nullptr;
  switch (config.tiling.family) {
    case Family::kStandard:
      reason = standard_why_illegal(config);
      break;
    case Family::kSimt:
      reason = simt_why_illegal(config);
      break;
    case Family::kSm80:
      reason = sm80_why_illegal(config);
      break;
    case Family::kSm90:
      reason = sm90_why_illegal(config);
      break;
    default:
      return "unknown kernel family";
  }
  if (reason != nullptr) return reason;
  if (config.profile && config.tiling.family == Family::kStandard)
    return "standard kernels record no profile";
  if (smem_bytes(config) > max_smem_bytes(config.arch))
    return "the tiles need more shared memory than a CTA of this arch gets";
  return nullptr;
}

constexpr bool is_legal(const KernelConfig& config) { return why_illegal(config) == nullptr; }

}  // namespace flashjit
