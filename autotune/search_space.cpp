#include "search_space.h"

#include <algorithm>
#include <tuple>

#include "kernel_src/variant_plan.h"

namespace flashjit {
namespace {

// The values that a field is tried with. Fields that a family ignores stay at their defaults, which
// is what is_legal() asks for.
struct Grid {
  std::vector<int> num_warps = {8};
  std::vector<int> rows_per_warp = {16};
  std::vector<int> block_n = {64};
  std::vector<int> num_stages = {1};
  std::vector<int> num_q_stages = {1};
  std::vector<bool> overlap = {false};
  std::vector<bool> ping_pong = {false};
  std::vector<bool> skip_masked = {false};
  std::vector<bool> row_sum_by_mma = {false};
  std::vector<bool> probs_in_smem = {false};
  std::vector<int> cluster_size = {1};
  std::vector<Schedule> schedule = {Schedule::kOneTile};
  std::vector<Rescale> rescale = {Rescale::kEager};
  std::vector<Epilogue> epilogue = {Epilogue::kDirect};
};

std::vector<int> multiples(int step, int first, int last) {
  std::vector<int> values;
  for (int value = first; value <= last; value += step) values.push_back(value);
  return values;
}

Grid simt_grid() { return {.rows_per_warp = {2, 4, 8, 16}, .block_n = {16, 32, 64, 128}}; }

Grid sm80_grid() {
  return {.num_warps = {4, 8},
          .rows_per_warp = {16, 32},
          .block_n = multiples(16, 32, 128),
          .num_stages = {1, 2, 3},
          .rescale = {Rescale::kLazy, Rescale::kEager}};
}

Grid sm90_grid(const Problem& problem) {
  const bool causal = problem.mask == MaskKind::kCausal;
  return {.num_warps = {4, 8, 12, 16},
          .block_n = multiples(16, 32, 256),
          .num_stages = {2, 3, 4},
          .num_q_stages = {1, 2},
          .overlap = {true, false},
          .ping_pong = {false, true},
          .skip_masked = causal ? std::vector<bool>{true, false} : std::vector<bool>{false},
          .row_sum_by_mma = {false, true},
          .probs_in_smem = {false, true},
          .cluster_size = {1, 2},
          .schedule = {Schedule::kDynamic, Schedule::kStatic, Schedule::kOneTile},
          .rescale = {Rescale::kOptimistic, Rescale::kLazy, Rescale::kEager},
          .epilogue = {Epilogue::kThroughQ, Epilogue::kStaged, Epilogue::kDirect}};
}

// 16-bit tiles are 128×64 in two stages, fp32 tiles 64×64 or 32×32 in one.
Grid standard_grid() {
  return {.rows_per_warp = {4, 8, 16}, .block_n = {32, 64}, .num_stages = {1, 2}};
}

Grid grid_of(Family family, const Problem& problem) {
  switch (family) {
    case Family::kSimt:
      return simt_grid();
    case Family::kSm80:
      return sm80_grid();
    case Family::kSm90:
      return sm90_grid(problem);
    case Family::kStandard:
      return standard_grid();
  }
  return {};
}

// Calls visit() for every combination of values of the named fields, the last field fastest.
template <typename F>
void vary(const Tiling& tiling, const F& visit) {
  visit(tiling);
}
template <typename F, typename T, typename... Rest>
void vary(Tiling tiling,
          const F& visit,
          T Tiling::*field,
          const std::vector<T>& values,
          const Rest&... rest) {
  for (const T value : values) {
    tiling.*field = value;
    vary(tiling, visit, rest...);
  }
}

template <typename F>
void for_each_switch(const Grid& grid, const Tiling& tiling, const F& visit) {
  vary(tiling,
       visit,
       &Tiling::overlap,
       grid.overlap,
       &Tiling::ping_pong,
       grid.ping_pong,
       &Tiling::skip_masked,
       grid.skip_masked,
       &Tiling::row_sum_by_mma,
       grid.row_sum_by_mma,
       &Tiling::schedule,
       grid.schedule,
       &Tiling::rescale,
       grid.rescale,
       &Tiling::epilogue,
       grid.epilogue,
       &Tiling::probs_in_smem,
       grid.probs_in_smem,
       &Tiling::cluster_size,
       grid.cluster_size);
}

template <typename F>
void for_each_tiling(Family family, const Grid& grid, const F& visit) {
  for (const int num_warps : grid.num_warps) {
    for (const int rows_per_warp : grid.rows_per_warp) {
      for (const int block_n : grid.block_n) {
        for (const int num_stages : grid.num_stages) {
          for (const int num_q_stages : grid.num_q_stages) {
            Tiling tiling = {.family = family,
                             .block_m = num_warps * rows_per_warp,
                             .block_n = block_n,
                             .num_stages = num_stages,
                             .num_q_stages = num_q_stages,
                             .num_warps = num_warps};
            if (family == Family::kSm90) {
              const Sm90Registers registers = sm90_registers(num_warps / 4);
              tiling.producer_regs = registers.producer;
              tiling.consumer_regs = registers.consumer;
            }
            for_each_switch(grid, tiling, visit);
          }
        }
      }
    }
  }
}

// Rates per SM and clock. Dense bf16: 1024 multiply-adds of each of 4 tensor cores by wgmma (H100
// datasheet: 989 TFLOP/s at 1.83 GHz on 132 SMs); mma.sync reaches 0.62 of it on Hopper and all of
// it on Ampere, whose tensor cores have half the width. CUDA cores: 128 multiply-adds. L2: 5.5 TB/s
// over 132 SMs at 1.7 GHz.
constexpr double kExpsPerClock = 16;
constexpr double kL2BytesPerClock = 40;
constexpr double kClockGhz = 1.6;

double flops_per_clock(const KernelConfig& config) {
  switch (config.tiling.family) {
    case Family::kSm90:
      return 4096;
    case Family::kSm80:
      return config.arch.major >= 9 ? 0.62 * 4096 : 2048;
    default:
      return 256;
  }
}

// What the switches are worth beside the tile, from the measurements in docs/hopper.md; ratios of
// time.
double switch_factor(const Tiling& t, const Problem& problem) {
  if (t.family != Family::kSm90) return t.rescale == Rescale::kEager ? 1.03 : 1.0;
  const bool causal = problem.mask == MaskKind::kCausal;
  double factor = 1;
  if (t.rescale == Rescale::kLazy) factor *= 1.02;
  if (t.rescale == Rescale::kEager) factor *= 1.06;
  if (t.schedule == Schedule::kStatic) factor *= causal ? 1.10 : 1.005;
  if (t.schedule == Schedule::kOneTile) factor *= 1.05;
  if (causal && !t.skip_masked) factor *= 1.03;
  if (t.epilogue == Epilogue::kDirect) factor *= 1.02;
  if (t.ping_pong) factor *= problem.head_dim_qk <= 64 ? 0.99 : 1.005;
  if (t.row_sum_by_mma) factor *= 0.98;
  if (t.probs_in_smem) factor *= 1.03;
  const bool is_wide = widest_head_dim(problem) > 128;
  if (t.cluster_size > 1) factor *= causal && is_wide ? 0.98 : 1.01;
  if (t.num_stages == 2) factor *= 1.01;
  return factor;
}

// What is read of L2 for a row: five sectors for every four where rows are n + ½ sectors.
double l2_bytes(int row_bytes) {
  constexpr int kSector = 32;
  return row_bytes % kSector == 0 ? row_bytes : row_bytes * 1.25;
}

// Key blocks of an average tile; causal rows see about half of the keys.
double average_blocks(const KernelConfig& config, const ProblemShape& shape) {
  const Tiling& t = config.tiling;
  const double blocks = (shape.seqlen_kv + t.block_n - 1) / t.block_n;
  if (config.problem.mask == MaskKind::kNone) return blocks;
  const double diagonal_blocks = 1.0 + 0.5 * t.block_m / t.block_n;
  return std::min(blocks, 0.5 * blocks + diagonal_blocks);
}

}  // namespace

Estimate estimate_time(const KernelConfig& config,
                       const ProblemShape& shape,
                       const DeviceInfo& device) {
  const Tiling& t = config.tiling;
  const Problem& p = config.problem;
  const int sms = std::max(device.sm_count, 1);
  const int threads = num_threads(config);
  const int resident =
      std::clamp(std::min(ctas_per_sm_by_smem(config.arch, smem_bytes(config)), 2048 / threads),
                 1,
                 min_ctas_per_sm(config));
  const int rows = t.block_m * t.cluster_size;  // of a tile of the schedule
  const double tiles = static_cast<double>((shape.seqlen_q + rows - 1) / rows) * t.cluster_size *
                       shape.num_heads_q * shape.batch;
  const double blocks = average_blocks(config, shape);

  // Clocks of one tile on an SM that it has for itself, then of the whole launch.
  const double elements = static_cast<double>(t.block_m) * t.block_n;
  const double tensor = blocks * elements * (round_up(p.head_dim_qk, 16) + p.head_dim_v) * 2 /
                        flops_per_clock(config);
  const double exps = blocks * elements / kExpsPerClock;
  const int size = size_of(p.dtype);
  const double kv_row_bytes = l2_bytes(p.head_dim_qk * size) + l2_bytes(p.head_dim_v * size);
  const double memory = blocks * t.block_n * kv_row_bytes / t.cluster_size / kL2BytesPerClock;
  const bool overlapped = t.overlap || resident > 1 || t.ping_pong;
  const double compute =
      overlapped ? std::max(tensor, 1.3 * exps) + 0.1 * exps : tensor + 1.5 * exps;
  const double fixed = 1500 + 2.0 * t.block_m * p.head_dim_v / 64;
  const double step_overhead = blocks * (overlapped ? 60 : 150);
  const double per_tile = (std::max(compute, memory) + fixed + step_overhead) * switch_factor(t, p);

  Estimate estimate;
  estimate.waves = tiles / sms;
  // A causal launch ends on short tiles, so only full masks pay for a broken last wave.
  const double rounds =
      p.mask == MaskKind::kNone
          ? std::max(
                1.0,
                static_cast<double>(static_cast<long long>(estimate.waves / resident + 0.999)) *
                    resident)
          : estimate.waves + 0.5;
  const double us_per_clock = 1e-3 / kClockGhz;
  estimate.time_us = rounds * per_tile * us_per_clock;
  estimate.tensor_us = estimate.waves * tensor * us_per_clock;
  estimate.exp_us = estimate.waves * exps * us_per_clock;
  estimate.memory_us = estimate.waves * memory * us_per_clock;
  return estimate;
}

std::vector<Candidate> search_space(Family family,
                                    const Problem& problem,
                                    const ProblemShape& shape,
                                    const DeviceInfo& device) {
  std::vector<Candidate> space;
  for_each_tiling(family, grid_of(family, problem), [&](const Tiling& tiling) {
    const KernelConfig config = {problem, tiling, device.arch};
    if (is_legal(config)) space.push_back({tiling, estimate_time(config, shape, device)});
  });
  std::stable_sort(space.begin(), space.end(), [](const Candidate& a, const Candidate& b) {
    return a.estimate.time_us < b.estimate.time_us;
  });
  return space;
}

std::map<std::string, int> refused_tilings(Family family,
                                           const Problem& problem,
                                           const Arch& arch) {
  std::map<std::string, int> refused;
  for_each_tiling(family, grid_of(family, problem), [&](const Tiling& tiling) {
    if (const char* reason = why_illegal({problem, tiling, arch})) ++refused[reason];
  });
  return refused;
}

std::vector<Candidate> shortlist(const std::vector<Candidate>& space, int count, int per_tile) {
  std::vector<Candidate> kept;
  std::map<std::tuple<int, int, int>, int> used;
  for (const Candidate& candidate : space) {
    if (static_cast<int>(kept.size()) >= count) break;
    const Tiling& t = candidate.tiling;
    if (used[{t.block_m, t.block_n, t.num_warps}]++ < per_tile) kept.push_back(candidate);
  }
  return kept;
}

}  // namespace flashjit
