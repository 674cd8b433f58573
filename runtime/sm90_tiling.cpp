#include "sm90_tiling.h"

#include <algorithm>
#include <cmath>

#include "kernel_src/variant_plan.h"

namespace flashjit {
namespace {

constexpr Arch kHopper = {9, 0, true};

int consumer_registers(int warpgroups) {
  return warpgroups == 1 ? sm90_launch_regs(2) : sm90_registers(warpgroups).consumer;
}

bool fits(const Problem& problem, const Tiling& tiling) {
  return is_legal({.problem = problem, .tiling = tiling, .arch = kHopper});
}

// The largest block_n up to `limit` whose accumulators fit: S and P take 3/4 of it, O the rest.
int widest_block_n(const KernelConfig& config, int warpgroups, int limit) {
  const int free =
      consumer_registers(warpgroups) - kSm90OtherRegisters - sm90_output_columns(config) / 2;
  return std::min(limit, free * 4 / 3 / 16 * 16);
}

// Keys of a block. Wider than 128 only grows the exponentials that nothing hides. From head_dim 128
// on, 64 keys leave room for a deeper ring or a staging of O, which is worth more than wider blocks
// (+1 … 4 %), and waste less of the diagonal under a causal mask.
int block_n_limit(int widest_dim) { return widest_dim <= 112 ? 128 : 64; }

// Row sums by the tensor cores: pays where the exponentials outlast the products, in tilings that
// have the registers. Head dim 64: +3 … 7 %. To 96, three warpgroups (the ones stand behind the
// head dim in V's last panel): +2 … 6 %. Under a causal mask to 112, +3 %, and at 160, +2 %.
bool use_row_sum_by_mma(const Problem& problem, int warpgroups) {
  const int widest_dim = widest_head_dim(problem);
  if (problem.return_lse) return false;
  if (problem.head_dim_v == kPanelColumns) return warpgroups >= 3 && widest_dim <= kPanelColumns;
  if (problem.head_dim_v % kPanelColumns == 0) return false;
  const bool causal = problem.mask == MaskKind::kCausal;
  if (widest_dim <= 112)
    return warpgroups == 3 && problem.head_dim_v > kPanelColumns && (causal || widest_dim <= 96);
  return causal && warpgroups == 2 && widest_dim > 128 && widest_dim <= 160;
}

// Ping-pong pays where a block's exponentials outlast its products: +9 … 20 % for three warpgroups
// at head_dim 80 and 96. Causal masks carry that to head_dim 128 (+1 … 2 %), and two warpgroups
// that fill the registers gain from it at 256. Elsewhere it only adds barriers (−1 %).
bool use_ping_pong(int warpgroups, int widest_dim, bool causal) {
  switch (warpgroups) {
    case 2:
      return widest_dim <= 64 || (widest_dim > 128 && !causal);
    case 3:
      return widest_dim <= 112 || causal;
    default:
      return false;
  }
}

struct BlockChoice {
  int block_n, max_stages;
  bool ping_pong;
};
// What goes best with the ones behind the head dim, and without them.
BlockChoice block_choice(bool sums_behind_v, int warpgroups, int widest_dim, bool causal) {
  if (!sums_behind_v)
    return {block_n_limit(widest_dim), 4, use_ping_pong(warpgroups, widest_dim, causal)};
  if (widest_dim > 96) return {64, 4, false};
  // A fourth stage costs 1 … 3 %.
  return {widest_dim <= 80 && !causal ? 80 : 96, 3, widest_dim > 80 && causal};
}

// Where a number of warpgroups makes sense: narrower blocks of keys are bound by the latency of
// their softmax, and four warpgroups pay only where the exponentials dominate.
bool is_useful(const Tiling& t, int widest_dim) {
  if (t.num_warps == 16) return widest_dim <= 72 && t.block_n >= 64;
  return t.num_warps < 12 || t.block_n >= (widest_dim <= 128 ? 64 : 80);
}

bool is_wide(const Problem& problem) { return widest_head_dim(problem) > 128; }

// K or V whose rows are n + ½ sectors of 32 bytes.
bool has_half_sectors(const Problem& problem) {
  return problem.head_dim_qk % 16 != 0 || problem.head_dim_v % 16 != 0;
}

// Sizes of clusters, whose CTAs read K and V once for all, that are worth a comparison.
std::vector<int> cluster_sizes(const Problem& problem, int warpgroups) {
  const bool can_gain = has_half_sectors(problem) || problem.mask == MaskKind::kCausal;
  return warpgroups == 2 && is_wide(problem) && can_gain ? std::vector<int>{1, 2}
                                                         : std::vector<int>{1};
}

struct EpilogueChoice {
  Epilogue epilogue;
  int num_q_stages;
  int min_stages;
};

// Epilogues from best to cheapest in shared memory. A staging of its own frees the Q buffer a store
// earlier: +2 … 5 % under a causal mask, where shared memory has room for it beside two Q buffers
// and a ring that is deep enough. Without a mask all tiles are long and it costs 1 … 3 %: four
// warpgroups store O from registers, others beyond head_dim 64 through Q where its panels allow it.
std::vector<EpilogueChoice> epilogue_choices(const Problem& problem, int warpgroups) {
  std::vector<EpilogueChoice> choices;
  if (problem.mask == MaskKind::kNone && warpgroups == 4) {
    choices.push_back({Epilogue::kDirect, 2, 2});
  }
  if (problem.mask != MaskKind::kNone || problem.head_dim_v <= kPanelColumns) {
    choices.push_back({Epilogue::kStaged, 2, 3});
  }
  choices.push_back({Epilogue::kThroughQ, 2, 2});
  choices.push_back({Epilogue::kStaged, 1, 2});
  choices.push_back({Epilogue::kDirect, 1, 2});
  return choices;
}

// With the deepest ring of up to `limit` stages.
std::optional<Tiling> with_stages(const Problem& problem, Tiling tiling, int limit) {
  for (const EpilogueChoice& choice : epilogue_choices(problem, tiling.num_warps / 4)) {
    tiling.epilogue = choice.epilogue;
    tiling.num_q_stages = choice.num_q_stages;
    for (tiling.num_stages = limit; tiling.num_stages >= choice.min_stages; --tiling.num_stages) {
      if (fits(problem, tiling)) return tiling;
    }
  }
  return std::nullopt;
}

std::optional<Tiling> candidate(const Problem& problem, int warpgroups, int cluster_size) {
  const bool causal = problem.mask == MaskKind::kCausal;
  const int widest_dim = widest_head_dim(problem);
  Tiling t = {.family = Family::kSm90,
              .block_m = kWarpgroupRows * warpgroups,
              .num_warps = 4 * warpgroups,
              .overlap = true,
              .skip_masked = causal,
              .cluster_size = cluster_size,
              .schedule = causal ? Schedule::kDynamic : Schedule::kStatic,
              .producer_regs = sm90_registers(warpgroups).producer,
              .consumer_regs = sm90_registers(warpgroups).consumer};
  t.rescale = Rescale::kOptimistic;  // wins wherever it was measured
  t.row_sum_by_mma = use_row_sum_by_mma(problem, warpgroups);
  const bool sums_behind_v = t.row_sum_by_mma && widest_dim > kPanelColumns;
  const BlockChoice choice = block_choice(sums_behind_v, warpgroups, widest_dim, causal);
  t.ping_pong = choice.ping_pong;
  const KernelConfig config = {.problem = problem, .tiling = t, .arch = kHopper};
  // Narrower blocks until two stages fit.
  const int widest = widest_block_n(config, warpgroups, choice.block_n);
  for (t.block_n = widest; t.block_n >= 16 && is_useful(t, widest_dim); t.block_n -= 16) {
    if (const std::optional<Tiling> complete = with_stages(problem, t, choice.max_stages))
      return complete;
  }
  return std::nullopt;
}

// Share of the tensor cores' peak on long sequences, from measurements of the classical head dims
// (bf16, H100).
double efficiency(const Problem& problem, const Tiling& t) {
  const int widest_dim = widest_head_dim(problem);
  switch (t.num_warps / 4) {
    case 1:
      return 0.5;
    case 2:
      return widest_dim > 128 ? 0.9 : widest_dim > 72 ? 0.85 : 0.55;
    case 3:
      if (widest_dim > 72) return 0.93;
      if (widest_dim <= 64) return 0.69;
      // head_dim 72: under a causal mask 192×80 is within 1 % of four warpgroups, but not ahead
      return t.row_sum_by_mma && problem.mask == MaskKind::kNone ? 0.70 : 0.54;
    default:  // at head_dim 64: wins to 4k tokens, where its broken last wave costs less
      return 0.68;
  }
}

// Speed of a tiling relative to its efficiency, by what bounds wide head dims beside the products
// (docs/hopper.md, "Clusters"). Half sectors: CTAs that do not share K and V reach 0.65 … 0.85.
// Else clusters under a causal mask: both CTAs take the time of the one with the last rows, which
// short sequences notice (head_dim 256: 1k tokens −3 %); 144 to 256 gain 2 … 12 % at 4k, and 256
// loses 1 % from 8k on.
double sharing_factor(const Problem& problem, const ProblemShape& shape, const Tiling& t) {
  if (!is_wide(problem)) return 1;
  if (has_half_sectors(problem)) return t.cluster_size == 1 ? 0.7 : 1;
  if (t.cluster_size == 1) return 1;
  return shape.seqlen_kv >= 2048 && shape.seqlen_kv < 8192 ? 1.03 : 0.97;
}

// Relative time: what one SM does. Without a mask tiles are equal, so waves count whole; a causal
// launch ends on short tiles, about half a tile of imbalance is left.
double model_time(const Problem& problem,
                  const ProblemShape& shape,
                  const Tiling& t,
                  int sm_count) {
  const double tiles =
      std::ceil(double(shape.seqlen_q) / sm90_tile_rows(t)) * shape.num_heads_q * shape.batch;
  const double waves = tiles * t.cluster_size / std::max(1, sm_count);
  const double busy =
      problem.mask == MaskKind::kCausal ? std::max(1.0, waves + 0.5) : std::ceil(waves);
  return busy * t.block_m / (efficiency(problem, t) * sharing_factor(problem, shape, t));
}

}  // namespace

std::vector<Tiling> sm90_default_candidates(const Problem& problem) {
  std::vector<Tiling> candidates;
  for (int warpgroups = 1; warpgroups <= 4; ++warpgroups) {
    for (const int cluster_size : cluster_sizes(problem, warpgroups)) {
      const std::optional<Tiling> t = candidate(problem, warpgroups, cluster_size);
      if (t) candidates.push_back(*t);
    }
  }
  return candidates;
}

std::optional<Tiling> default_sm90_tiling(const Problem& problem,
                                          const ProblemShape& shape,
                                          const Arch& arch,
                                          int sm_count) {
  if (arch != kHopper) return std::nullopt;
  const std::vector<Tiling> candidates = sm90_default_candidates(problem);
  const auto faster = [&](const Tiling& a, const Tiling& b) {
    return model_time(problem, shape, a, sm_count) < model_time(problem, shape, b, sm_count);
  };
  const auto best = std::min_element(candidates.begin(), candidates.end(), faster);
  return best == candidates.end() ? std::nullopt : std::optional<Tiling>(*best);
}

}  // namespace flashjit
