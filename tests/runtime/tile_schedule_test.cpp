#include "tile_schedule.h"

#include <algorithm>

#include "support/catch.h"

using namespace flashjit;

namespace {

constexpr std::size_t kH100L2 = std::size_t(50) << 20;
constexpr int kSmCount = 132;

KernelConfig config_of(int block_m, Schedule schedule = Schedule::kDynamic) {
  KernelConfig config;
  config.problem.mask = MaskKind::kCausal;
  config.tiling.family = Family::kSm90;
  config.tiling.block_m = block_m;
  config.tiling.schedule = schedule;
  return config;
}

ProblemShape shape_of(int batch, int heads_q, int heads_kv, int seqlen_q, int seqlen_kv) {
  ProblemShape shape;
  shape.batch = batch;
  shape.num_heads_q = heads_q;
  shape.num_heads_kv = heads_kv;
  shape.seqlen_q = seqlen_q;
  shape.seqlen_kv = seqlen_kv;
  return shape;
}

TileSchedule schedule_of(const ProblemShape& shape,
                         int block_m = 192,
                         std::size_t l2 = kH100L2,
                         int sm_count = kSmCount) {
  DeviceInfo device;
  device.l2_bytes = l2;
  device.sm_count = sm_count;
  return make_tile_schedule(config_of(block_m), shape, device);
}

}  // namespace

TEST_CASE("a schedule counts the tiles of every head, the last one short") {
  const TileSchedule schedule = schedule_of(shape_of(3, 4, 4, 385, 1000));
  CHECK(schedule.num_m_blocks == 3);
  CHECK(schedule.num_tiles == 3 * 4 * 3);
  CHECK(schedule_of(shape_of(1, 1, 1, 1, 1)).num_tiles == 1);
}

TEST_CASE("a section is what fits in a third of the L2, or two waves of tiles where that is more") {
  for (const int seqlen : {64, 1000, 4096, 16384, 100000}) {
    for (const int heads_kv : {16, 4, 1}) {
      const TileSchedule schedule = schedule_of(shape_of(8, 16, heads_kv, seqlen, seqlen));
      const double pair_bytes = 2.0 * (128 + 128) * seqlen * heads_kv / 16;
      const int heads = schedule.heads_per_section;
      CAPTURE(seqlen, heads_kv, heads);
      const auto is_enough = [&](int count) {
        return (count + 1) * pair_bytes > kH100L2 / 3.0 &&
               count * schedule.num_m_blocks >= 2 * kSmCount;
      };
      CHECK((heads == 8 * 16 || is_enough(heads)));
      CHECK((heads == 1 || !is_enough(heads - 1)));
    }
  }
}

TEST_CASE("a device that does not tell its size is taken for an H100") {
  const ProblemShape shape = shape_of(1, 64, 64, 16384, 16384);
  const TileSchedule known = schedule_of(shape);
  const TileSchedule unknown = schedule_of(shape, 192, 0, 0);
  CHECK(unknown.heads_per_section == known.heads_per_section);
  CHECK(unknown.tail_heads == known.tail_heads);
}

TEST_CASE("the last section holds two to four waves of tiles") {
  for (const int seqlen : {1, 191, 512, 4096, 300000}) {
    const TileSchedule schedule = schedule_of(shape_of(4, 32, 32, seqlen, seqlen));
    CAPTURE(seqlen, schedule.tail_heads);
    const int tail_tiles = schedule.tail_heads * schedule.num_m_blocks;
    CHECK((tail_tiles >= 2 * kSmCount || schedule.tail_heads == 4 * 32));
    CHECK(tail_tiles - schedule.num_m_blocks < 4 * kSmCount);
    CHECK(schedule.tail_heads >= 1);
  }
}

TEST_CASE("short causal sequences: no more heads at a time than the L2 and its memory can feed") {
  // (batch, head) pairs of 256 KB and 4 tiles: two waves are 66.
  const TileSchedule narrow = schedule_of(shape_of(32, 16, 16, 512, 512), 128);
  CHECK(narrow.heads_per_section == 66);
  CHECK(narrow.tail_heads == 100);  // half of the L2
  // The same of 512 KB and 8 tiles.
  const TileSchedule longer = schedule_of(shape_of(16, 16, 16, 1024, 1024), 128);
  CHECK(longer.heads_per_section == 33);
  CHECK(longer.tail_heads == 50);
  // Long sequences read their keys in step: four waves whatever the L2.
  CHECK(schedule_of(shape_of(1, 16, 16, 16384, 16384)).tail_heads == 7);
}

TEST_CASE("a cluster takes a tile as high as all of its CTAs") {
  KernelConfig config = config_of(128, Schedule::kStatic);
  config.tiling.cluster_size = 2;
  DeviceInfo device;
  device.sm_count = kSmCount;
  device.l2_bytes = kH100L2;
  const TileSchedule schedule = make_tile_schedule(config, shape_of(3, 4, 4, 513, 513), device);
  CHECK(schedule.num_m_blocks == 3);  // 256 rows each
  CHECK(schedule.num_tiles == 3 * 4 * 3);
  CHECK(num_sm90_ctas(config, schedule, 132) == 2 * 36);
  CHECK(num_sm90_ctas(config, schedule, 7) == 6);  // whole clusters
  config.tiling.schedule = Schedule::kOneTile;
  CHECK(num_sm90_ctas(config, schedule, 7) == 2 * 36);
}

TEST_CASE("persistent launches have one CTA for each SM at most") {
  const TileSchedule schedule = schedule_of(shape_of(1, 2, 2, 1920, 1920));
  REQUIRE(schedule.num_tiles == 20);
  CHECK(num_sm90_ctas(config_of(192), schedule, 132) == 20);
  CHECK(num_sm90_ctas(config_of(192), schedule, 7) == 7);
  CHECK(num_sm90_ctas(config_of(192, Schedule::kStatic), schedule, 7) == 7);
  CHECK(num_sm90_ctas(config_of(192, Schedule::kOneTile), schedule, 7) == 20);
}
