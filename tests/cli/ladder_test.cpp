// The ladder's steps without a device: legal, all different, each with what its name says, and the
// last one the heuristic's choice.
#include "cli/ladder.h"

#include <algorithm>

#include "cli/bench_compile.h"
#include "flashjit/error.h"
#include "kernel_src/variant_plan.h"
#include "sm90_tiling.h"
#include "support/catch.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

constexpr Arch kHopper{9, 0, true};
constexpr int kH100 = 132;

Problem problem_of(int head_dim, MaskKind mask) {
  return {.head_dim_qk = head_dim, .head_dim_v = head_dim, .mask = mask};
}

ProblemShape shape_of(int head_dim, int seqlen) {
  ProblemShape shape;
  shape.batch = 16384 / seqlen;
  shape.num_heads_q = shape.num_heads_kv = 2048 / head_dim;
  shape.seqlen_q = shape.seqlen_kv = seqlen;
  return shape;
}

const Rung* find(const std::vector<Rung>& rungs, const std::string& part) {
  const auto at = std::find_if(rungs.begin(), rungs.end(), [&](const Rung& rung) {
    return rung.name.find(part) != std::string::npos;
  });
  return at == rungs.end() ? nullptr : &*at;
}

}  // namespace

TEST_CASE("a ladder leads from the minimal kernel to the heuristic's choice") {
  for (const int head_dim : {64, 128, 256}) {
    for (const MaskKind mask : {MaskKind::kNone, MaskKind::kCausal}) {
      for (const int seqlen : {512, 4096, 16384}) {
        CAPTURE(head_dim, mask == MaskKind::kCausal, seqlen);
        const Problem problem = problem_of(head_dim, mask);
        const ProblemShape shape = shape_of(head_dim, seqlen);
        const Ladder ladder = make_ladder(problem, shape, kHopper, kH100);
        REQUIRE(ladder.steps.size() >= 6);
        CHECK(ladder.steps.front().tiling.family == Family::kSimt);
        CHECK(ladder.steps[1].tiling.family == Family::kSm80);
        const Tiling best = *default_sm90_tiling(problem, shape, kHopper, kH100);
        CHECK(ladder.steps.back().tiling == best);
        std::vector<Rung> all = ladder.steps;
        all.insert(all.end(), ladder.without.begin(), ladder.without.end());
        for (const Rung& rung : all) CHECK(is_legal({problem, rung.tiling, kHopper}));
        for (const std::vector<Rung>* part : {&ladder.steps, &ladder.without}) {
          for (auto a = part->begin(); a != part->end(); ++a)
            for (auto b = a + 1; b != part->end(); ++b) CHECK_FALSE(a->tiling == b->tiling);
        }
        for (const Rung& rung : ladder.without) CHECK_FALSE(rung.tiling == best);
      }
    }
  }
}

TEST_CASE("every technique of the choice is a step and can be left out") {
  const Problem problem = problem_of(128, MaskKind::kCausal);
  const Ladder ladder = make_ladder(problem, shape_of(128, 4096), kHopper, kH100);
  const Rung* bare = find(ladder.steps, "wgmma, TMA");
  REQUIRE(bare != nullptr);
  CHECK_FALSE(bare->tiling.overlap);
  CHECK(bare->tiling.rescale == Rescale::kEager);
  CHECK(bare->tiling.schedule == Schedule::kOneTile);
  const Rung* overlap = find(ladder.steps, "before P·V");
  REQUIRE(overlap != nullptr);
  Tiling changed = bare->tiling;
  changed.overlap = true;
  CHECK(overlap->tiling == changed);  // that, and nothing else
  for (const char* step : {"ping-pong", "lazy", "optimistic", "dynamic", "skipped"})
    CHECK(find(ladder.steps, step) != nullptr);

  const Rung* without = find(ladder.without, "no overlap");
  REQUIRE(without != nullptr);
  changed = ladder.steps.back().tiling;
  changed.overlap = false;
  CHECK(without->tiling == changed);
  for (const char* left_out :
       {"lazy", "every step", "one tile per CTA", "static", "not skipped", "ping-pong"})
    CHECK(find(ladder.without, left_out) != nullptr);
  CHECK(
      find(make_ladder(problem_of(64, MaskKind::kNone), shape_of(64, 4096), kHopper, kH100).without,
           "row sums") != nullptr);
}

TEST_CASE("no ladder where there is no Hopper kernel") {
  const Problem problem = problem_of(128, MaskKind::kNone);
  CHECK_THROWS_AS(make_ladder(problem, shape_of(128, 4096), {8, 0, false}, kH100), Error);
  Problem fp32 = problem;
  fp32.dtype = Dtype::kFp32;
  CHECK_THROWS_AS(make_ladder(fp32, shape_of(128, 4096), kHopper, kH100), Error);
}

TEST_CASE("the variants whose compile time is measured are legal and each there once") {
  const std::vector<KernelConfig> configs = selectable_sm90_configs({64, 72, 256});
  CHECK(configs.size() >= 3 * 2 * 2 * 2);
  for (auto a = configs.begin(); a != configs.end(); ++a) {
    CHECK(is_legal(*a));
    for (auto b = a + 1; b != configs.end(); ++b) CHECK_FALSE(*a == *b);
  }
}

}  // namespace flashjit::cli
