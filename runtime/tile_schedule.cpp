#include "tile_schedule.h"

#include <algorithm>
#include <bit>

namespace flashjit {
namespace {

// Where the device does not say: two thirds of an H100's 50 MB.
constexpr std::int64_t kDefaultSectionBytes = std::int64_t(32) << 20;

// Two waves or more on the largest GPUs: the tail of the launch is then one short tile. Measured:
// causal head_dim 256 at 16k tokens .90 → .95 of the tensor peak, 128 at 512 tokens 285 → 329
// TFLOP/s.
constexpr int kTailTiles = 512;

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
  const std::int64_t num_m_blocks =
      (std::int64_t(shape.seqlen_q) + config.tiling.block_m - 1) / config.tiling.block_m;
  // A third of the L2 is left to Q, O and to what the next section brings in.
  const std::int64_t budget =
      device.l2_bytes > 0 ? std::int64_t(device.l2_bytes) / 3 * 2 : kDefaultSectionBytes;
  const std::int64_t fitting =
      std::clamp<std::int64_t>(budget / bytes_per_pair(config.problem, shape), 1, num_pairs);
  const std::int64_t tail =
      std::min<std::int64_t>((kTailTiles + num_m_blocks - 1) / num_m_blocks, num_pairs);
  return {.num_m_blocks = int(num_m_blocks),
          .num_tiles = int(num_m_blocks * num_pairs),
          .heads_per_section = int(std::bit_floor(std::uint64_t(fitting))),
          .tail_heads = int(tail)};
}

int num_sm90_ctas(const KernelConfig& config, const TileSchedule& schedule, int sm_count) {
  if (config.tiling.schedule == Schedule::kOneTile) return schedule.num_tiles;
  return std::min(schedule.num_tiles, sm_count);
}

}  // namespace flashjit
