// A CTA that takes many tiles: barriers in their later phases, Q buffers and stagings handed back,
// numbers from the counter. What the oracle has no time for is compared with calls of one batch
// each, in which every CTA takes one tile: the same bits, for a tile does not depend on others.
#include "gpu/hopper_cases.h"

namespace flashjit::test {
namespace {

// More tiles of 256 rows than twice the SMs of any Hopper GPU.
AttentionCase many_tiles(HeadDims dims, bool causal, Scalar scalar) {
  AttentionCase c = tiling_case(dims.qk, dims.v, causal, scalar);
  c.batch = 80;
  c.seqlen_kv = 203;
  return c;
}

TEST_CASE("a CTA that takes many tiles computes what many that take one compute") {
  if (!is_hopper()) return;
  ForcedCases forced;
  for (const HeadDims dims :
       {HeadDims{64, 64}, {72, 72}, {96, 96}, {128, 128}, {136, 136}, {192, 128}, {256, 256}}) {
    forced.add(many_tiles(dims, true, Scalar::kBf16));
    forced.add(many_tiles(dims, false, Scalar::kFp16));
    if (dims.qk <= 128) forced.add_unusual(many_tiles(dims, true, Scalar::kBf16));
  }
  for (const RuntimeCase& one : forced.cases) {
    INFO(one.name);
    Repeated repeated(*one.runtime, one.test_case, fresh_seed());
    const std::vector<std::byte> together = repeated.run();
    repeated.wipe();
    CHECK((together == repeated.run_by_batch()));  // without printing either
  }
}

// As above, small enough for racecheck: clusters that take three tiles each from the counter.
TEST_CASE("clusters that take many tiles from the counter have no race", "[sanitizer]") {
  if (!is_hopper()) return;
  AttentionCase c = tiling_case(136, 136, true, Scalar::kBf16);
  c.batch = 10, c.heads_q = c.heads_kv = 20, c.seqlen_q = 70, c.seqlen_kv = 90;
  ForcedCases forced;
  for (const Tiling& tiling : sm90_default_candidates(problem_of(c)))
    if (tiling.cluster_size == 2 && tiling.schedule == Schedule::kDynamic) forced.add(c, tiling);
  REQUIRE(forced.cases.size() == 1);
  Repeated repeated(*forced.cases[0].runtime, c, fresh_seed());
  const std::vector<std::byte> first = repeated.run();
  repeated.wipe();
  CHECK((repeated.run() == first));
}

}  // namespace
}  // namespace flashjit::test
