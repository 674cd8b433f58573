#include "tile_schedule.h"

#include <algorithm>

#include "kernel_src/sm90/plan.h"

namespace flashjit {
namespace {

// Where the device does not say: an H100.
constexpr std::int64_t kDefaultL2Bytes = std::int64_t(50) << 20;
constexpr int kDefaultSmCount = 132;

// Waves of tiles, one wave being a tile for each SM. A section of less than two would drain before
// it has shared anything; four waves of longest-first tiles end a launch on short ones.
constexpr int kMinSectionWaves = 2;
constexpr int kTailWaves = 4;

// CTAs, or clusters, that can take tiles at the same time.
int num_takers(const KernelConfig& config, int sm_count) {
  return std::max(1, (sm_count > 0 ? sm_count : kDefaultSmCount) / config.tiling.cluster_size);
}

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// K and V of one (batch, q_head) pair; the heads of a group share theirs.
std::int64_t bytes_per_pair(const Problem& problem, const ProblemShape& shape) {
  const std::int64_t row = std::int64_t(problem.head_dim_qk + problem.head_dim_v) *
                           size_of(problem.dtype) * shape.num_heads_kv;
  return std::max<std::int64_t>(1, row * shape.seqlen_kv / shape.num_heads_q);
}

}  // namespace

TileSchedule make_tile_schedule(const KernelConfig& config,
                                const ProblemShape& shape,
                                const DeviceInfo& device) {
  const std::int64_t num_pairs = std::int64_t(shape.num_heads_q) * shape.batch;
  const int tile_rows = sm90_tile_rows(config.tiling);
  const std::int64_t num_m_blocks = ceil_divide(shape.seqlen_q, tile_rows);
  // A cluster takes a tile together.
  const std::int64_t takers = num_takers(config, device.sm_count);
  const std::int64_t l2_bytes =
      device.l2_bytes > 0 ? std::int64_t(device.l2_bytes) : kDefaultL2Bytes;
  const std::int64_t pair_bytes = bytes_per_pair(config.problem, shape);
  const auto clamp_pairs = [&](std::int64_t pairs) {
    return std::clamp(pairs, std::int64_t(1), num_pairs);
  };
  // K and V of a section get a third of the L2: Q and O stream through it as well, and both halves
  // of an H100's hold copies of what all SMs read. Measured at 512 tokens, causal: 291 TFLOP/s with
  // two thirds, 329 with one (head_dim 128), 271 and 308 (head_dim 256).
  const std::int64_t two_waves = ceil_divide(kMinSectionWaves * takers, num_m_blocks);
  const std::int64_t section = clamp_pairs(std::max(l2_bytes / 3 / pair_bytes, two_waves));
  // The tail ends the launch, so it wants four waves. Where their keys do not stay in L2, every
  // wave reads them again, and by w heads at a time that takes about 3 w / block_m of the time of
  // the products: w stops at a quarter of block_m. (head_dim 256, 1k tokens: 64 heads 458, 32 heads
  // 494 TFLOP/s.)
  const std::int64_t four_waves = ceil_divide(kTailWaves * takers, num_m_blocks);
  const std::int64_t readable = std::max<std::int64_t>(l2_bytes / 2 / pair_bytes, tile_rows / 4);
  const std::int64_t tail = clamp_pairs(std::max(two_waves, std::min(four_waves, readable)));
  return {.num_m_blocks = int(num_m_blocks),
          .num_tiles = int(num_m_blocks * num_pairs),
          .heads_per_section = int(section),
          .tail_heads = int(tail)};
}

int num_sm90_ctas(const KernelConfig& config, const TileSchedule& schedule, int sm_count) {
  const int ctas = config.tiling.cluster_size;
  if (config.tiling.schedule == Schedule::kOneTile) return schedule.num_tiles * ctas;
  return std::min(schedule.num_tiles, num_takers(config, sm_count)) * ctas;
}

}  // namespace flashjit
