#include "autotune/neighbours.h"

#include <algorithm>

#include "autotune/fake_target.h"
#include "support/catch.h"

namespace flashjit {
namespace {

bool holds(const std::vector<Tiling>& tilings, const Tiling& tiling) {
  return std::find(tilings.begin(), tilings.end(), tiling) != tilings.end();
}

TEST_CASE("a neighbour differs in one field, in what goes with it, and in block_n by 32 at most") {
  const Tiling from = {.family = Family::kSm80, .block_m = 128, .block_n = 64, .num_warps = 8};
  std::vector<Candidate> space;
  const auto add = [&](auto change) {
    Tiling t = from;
    change(t);
    space.push_back({t, {}});
    return t;
  };
  add([](Tiling&) {});  // itself is none
  const Tiling wider = add([](Tiling& t) { t.block_n = 96; });
  const Tiling much_wider = add([](Tiling& t) { t.block_n = 112; });
  const Tiling deeper = add([](Tiling& t) { ++t.num_stages; });
  const Tiling both = add([](Tiling& t) { ++t.num_stages, t.block_n = 80; });
  const Tiling rows = add([](Tiling& t) { t.block_m = 192, t.num_warps = 12; });
  const Tiling queries = add([](Tiling& t) {
    t.num_q_stages = 2;
    t.epilogue = Epilogue::kThroughQ;
  });
  const Tiling clusters = add([](Tiling& t) {
    t.cluster_size = 2;
    t.schedule = Schedule::kStatic;
  });
  const std::vector<Tiling> found = neighbours(from, space);
  for (const Tiling& tiling : {wider, deeper, rows, queries, clusters}) CHECK(holds(found, tiling));
  for (const Tiling& tiling : {from, much_wider, both}) CHECK_FALSE(holds(found, tiling));
}

TEST_CASE("from any tiling of a space the others can be reached") {
  const std::vector<Candidate> space = sm80_space();
  std::vector<Tiling> reached = {space.front().tiling};
  for (std::size_t i = 0; i < reached.size(); ++i) {
    for (const Tiling& tiling : neighbours(reached[i], space)) {
      if (!holds(reached, tiling)) reached.push_back(tiling);
    }
  }
  CHECK(reached.size() == space.size());
}

}  // namespace
}  // namespace flashjit
