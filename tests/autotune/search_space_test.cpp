// The space that the tuner searches: what it holds, what it refuses, and how it ranks.
#include "autotune/search_space.h"

#include <algorithm>

#include "autotune/fake_target.h"
#include "kernel_src/variant_plan.h"
#include "select.h"
#include "support/catch.h"
#include "variant_name.h"

namespace flashjit {
namespace {

TEST_CASE("the space of sm90 holds every field of its tilings") {
  const Problem problem = {.head_dim_qk = 96, .head_dim_v = 96, .mask = MaskKind::kCausal};
  ProblemShape shape;
  shape.batch = shape.num_heads_q = shape.num_heads_kv = 8;
  shape.seqlen_q = shape.seqlen_kv = 4096;
  DeviceInfo device;
  device.arch = {9, 0, true};
  device.sm_count = 132;
  const std::vector<Candidate> space = search_space(Family::kSm90, problem, shape, device);
  const auto has = [&](auto wanted) {
    return std::any_of(
        space.begin(), space.end(), [&](const Candidate& c) { return wanted(c.tiling); });
  };
  for (const bool on : {false, true}) {
    CHECK(has([&](const Tiling& t) { return t.overlap == on; }));
    CHECK(has([&](const Tiling& t) { return t.ping_pong == on; }));
    CHECK(has([&](const Tiling& t) { return t.skip_masked == on; }));
    CHECK(has([&](const Tiling& t) { return t.row_sum_by_mma == on; }));
    CHECK(has([&](const Tiling& t) { return t.probs_in_smem == on; }));
    CHECK(has([&](const Tiling& t) { return (t.cluster_size == 2) == on; }));
  }
  for (const int warps : {4, 8, 12, 16})
    CHECK(has([&](const Tiling& t) { return t.num_warps == warps; }));
  for (int i = 0; i < 3; ++i) {
    CHECK(has([&](const Tiling& t) { return t.schedule == static_cast<Schedule>(i); }));
    CHECK(has([&](const Tiling& t) { return t.rescale == static_cast<Rescale>(i); }));
    CHECK(has([&](const Tiling& t) { return t.epilogue == static_cast<Epilogue>(i); }));
  }
}

TEST_CASE("what the grid refuses is counted by its reason") {
  const auto refused = refused_tilings(Family::kSm80, kProblem, h100().arch);
  const auto legal = sm80_space().size();
  int count = 0;
  for (const auto& [reason, n] : refused) count += n;
  CHECK(count + legal == 2u * 2 * 7 * 3 * 2);  // warps · rows · block_n · stages · rescale
  CHECK(refused_tilings(Family::kSm90, kProblem, h100().arch).size() > 3);
}

TEST_CASE(
    "every tiling of the search space is legal, none appears twice, and the best estimate is "
    "first") {
  for (const Family family : {Family::kStandard, Family::kSimt, Family::kSm80, Family::kSm90}) {
    for (const int head_dim : {64, 72, 128, 256}) {
      Problem problem = kProblem;
      problem.head_dim_qk = problem.head_dim_v = head_dim;
      const auto space = search_space(family, problem, shape_of(4096), h100());
      for (std::size_t i = 0; i < space.size(); ++i) {
        REQUIRE(is_legal({problem, space[i].tiling, h100().arch}));
        if (i > 0) REQUIRE(space[i - 1].estimate.time_us <= space[i].estimate.time_us);
      }
      const auto first = shortlist(space, 50, 2);
      for (std::size_t i = 0; i < first.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) REQUIRE_FALSE(first[i].tiling == first[j].tiling);
      }
    }
  }
}

TEST_CASE("the default tiling of every family and dtype is in the space") {
  for (const Arch arch : {Arch{8, 0, false}, Arch{9, 0, true}}) {
    for (const Family family : {Family::kStandard, Family::kSimt, Family::kSm80, Family::kSm90}) {
      for (const Dtype dtype : {Dtype::kFp16, Dtype::kBf16, Dtype::kFp32}) {
        for (const int head_dim : {64, 128, 256}) {
          Problem problem = kProblem;
          problem.dtype = dtype;
          problem.head_dim_qk = problem.head_dim_v = head_dim;
          DeviceInfo device = h100();
          device.arch = arch;
          const auto tiling =
              default_tiling(family, problem, shape_of(4096), arch, device.sm_count);
          if (!tiling) continue;
          INFO(to_string(family) << " " << to_string(dtype) << " d" << head_dim);
          const auto space = search_space(family, problem, shape_of(4096), device);
          CHECK(std::any_of(
              space.begin(), space.end(), [&](const Candidate& c) { return c.tiling == *tiling; }));
        }
      }
    }
  }
}

// Of two CTAs that share K and V each reads half of them.
TEST_CASE("the estimate counts what is read of L2 by whole sectors and once for a cluster") {
  const auto memory_us = [](int head_dim, int cluster_size) {
    Problem problem = kProblem;
    problem.head_dim_qk = problem.head_dim_v = head_dim;
    const Tiling tiling = {
        .family = Family::kSm90, .block_m = 128, .num_warps = 8, .cluster_size = cluster_size};
    const KernelConfig config = {problem, tiling, h100().arch};
    return estimate_time(config, shape_of(4096), h100()).memory_us;
  };
  CHECK(memory_us(144, 2) == Approx(memory_us(144, 1) / 2));
  CHECK(memory_us(144, 1) / 144 == Approx(memory_us(128, 1) / 128));
  CHECK(memory_us(136, 1) / 136 == Approx(1.25 * memory_us(128, 1) / 128));
}

}  // namespace
}  // namespace flashjit
