#include "tile_schedule.h"

#include "support/catch.h"

using namespace flashjit;

namespace {

constexpr std::size_t kH100L2 = std::size_t(50) << 20;

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

TileSchedule schedule_of(const ProblemShape& shape, int block_m = 192, std::size_t l2 = kH100L2) {
  DeviceInfo device;
  device.l2_bytes = l2;
  return make_tile_schedule(config_of(block_m), shape, device);
}

}  // namespace

TEST_CASE("a schedule counts the tiles of every head, the last one short") {
  const TileSchedule schedule = schedule_of(shape_of(3, 4, 4, 385, 1000));
  CHECK(schedule.num_m_blocks == 3);
  CHECK(schedule.num_tiles == 3 * 4 * 3);
  CHECK(schedule_of(shape_of(1, 1, 1, 1, 1)).num_tiles == 1);
}

TEST_CASE("K and V of a section fit in two thirds of the L2, and no longer one power of two more") {
  for (const int seqlen : {64, 1000, 4096, 16384, 100000}) {
    for (const int heads_kv : {16, 4, 1}) {
      const ProblemShape shape = shape_of(8, 16, heads_kv, seqlen, seqlen);
      const double pair_bytes = 2.0 * (128 + 128) * seqlen * heads_kv / 16;
      const int heads = schedule_of(shape).heads_per_section;
      CAPTURE(seqlen, heads_kv, heads);
      CHECK((heads & (heads - 1)) == 0);
      CHECK((heads == 1 || heads * pair_bytes <= kH100L2 * 2.0 / 3));
      CHECK((heads * 2 > 8 * 16 || heads * 2 * pair_bytes > kH100L2 * 2.0 / 3));
    }
  }
}

TEST_CASE("a device that does not tell its L2 gets sections as well") {
  const TileSchedule unknown = schedule_of(shape_of(1, 64, 64, 16384, 16384), 192, 0);
  CHECK(unknown.heads_per_section == 4);  // 8 MiB a head
}

TEST_CASE("the last section holds 512 tiles or all of them") {
  for (const int seqlen : {1, 191, 512, 4096, 300000}) {
    const TileSchedule schedule = schedule_of(shape_of(4, 32, 32, seqlen, seqlen));
    CAPTURE(seqlen);
    const int tail_tiles = schedule.tail_heads * schedule.num_m_blocks;
    CHECK((tail_tiles >= 512 || schedule.tail_heads == 4 * 32));
    CHECK(tail_tiles - schedule.num_m_blocks < 512);
    CHECK(schedule.tail_heads >= 1);
  }
}

TEST_CASE("persistent launches have one CTA for each SM at most") {
  const TileSchedule schedule = schedule_of(shape_of(1, 2, 2, 1920, 1920));
  REQUIRE(schedule.num_tiles == 20);
  CHECK(num_sm90_ctas(config_of(192), schedule, 132) == 20);
  CHECK(num_sm90_ctas(config_of(192), schedule, 7) == 7);
  CHECK(num_sm90_ctas(config_of(192, Schedule::kStatic), schedule, 7) == 7);
  CHECK(num_sm90_ctas(config_of(192, Schedule::kOneTile), schedule, 7) == 20);
}
