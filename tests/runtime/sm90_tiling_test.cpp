#include "sm90_tiling.h"

#include "kernel_src/variant_plan.h"
#include "support/catch.h"

using namespace flashjit;

namespace {

constexpr Arch kHopper = {9, 0, true};
constexpr int kH100 = 132;

ProblemShape square(int batch, int heads, int seqlen) {
  ProblemShape shape;
  shape.batch = batch;
  shape.num_heads_q = shape.num_heads_kv = heads;
  shape.seqlen_q = shape.seqlen_kv = seqlen;
  return shape;
}

Problem problem_of(int head_dim_qk, int head_dim_v, MaskKind mask, bool lse = false) {
  return {.head_dim_qk = head_dim_qk, .head_dim_v = head_dim_v, .mask = mask, .return_lse = lse};
}

}  // namespace

TEST_CASE("every head dim has default tilings and all of them are legal") {
  for (int qk = 8; qk <= 256; qk += 8) {
    for (const int v : {qk, 8, 128, 256}) {
      for (const MaskKind mask : {MaskKind::kNone, MaskKind::kCausal}) {
        for (const bool lse : {false, true}) {
          const Problem problem = problem_of(qk, v, mask, lse);
          const std::vector<Tiling> candidates = sm90_default_candidates(problem);
          CAPTURE(qk, v, lse);
          CHECK(candidates.size() >= 2);  // for short and for long sequences
          for (const Tiling& tiling : candidates) {
            const char* why = why_illegal({problem, tiling, kHopper});
            CHECK_THAT(why == nullptr ? "" : why, Catch::Matchers::Equals(""));
          }
        }
      }
    }
  }
}

TEST_CASE("long sequences get the tiles that measured best") {
  const auto tile = [&](int qk, int v, MaskKind mask) {
    const ProblemShape long_shape =
        square(1, 2048 / qk, 16384);  // as measured: heads · head_dim = 2048
    const Tiling t =
        default_sm90_tiling(problem_of(qk, v, mask), long_shape, kHopper, kH100).value();
    return std::pair(t.block_m, t.block_n);
  };
  CHECK(tile(64, 64, MaskKind::kNone) == std::pair(192, 128));
  CHECK(tile(64, 64, MaskKind::kCausal) == std::pair(192, 128));
  CHECK(tile(72, 72, MaskKind::kNone) == std::pair(192, 80));
  CHECK(tile(72, 72, MaskKind::kCausal) == std::pair(256, 64));
  CHECK(tile(80, 80, MaskKind::kNone) == std::pair(192, 80));
  CHECK(tile(96, 96, MaskKind::kNone) == std::pair(192, 96));
  CHECK(tile(112, 112, MaskKind::kNone) == std::pair(192, 96));
  CHECK(tile(128, 128, MaskKind::kNone) == std::pair(192, 64));
  CHECK(tile(128, 128, MaskKind::kCausal) == std::pair(192, 64));
  CHECK(tile(256, 256, MaskKind::kCausal) == std::pair(128, 64));
}

TEST_CASE("short sequences get tiles that they fill") {
  const Problem problem = problem_of(128, 128, MaskKind::kNone);
  CHECK(default_sm90_tiling(problem, square(16, 16, 1024), kHopper, kH100)->block_m == 128);
  CHECK(default_sm90_tiling(problem, square(64, 16, 1), kHopper, kH100)->block_m == 64);
}

TEST_CASE("O is staged under a causal mask, and without one where nothing else measured better") {
  const auto epilogue = [](int head_dim, MaskKind mask) {
    const ProblemShape shape = square(16, 2048 / head_dim, 1024);
    return default_sm90_tiling(problem_of(head_dim, head_dim, mask), shape, kHopper, kH100)
        ->epilogue;
  };
  for (const int head_dim : {64, 128, 256})
    CHECK(epilogue(head_dim, MaskKind::kCausal) == Epilogue::kStaged);
  CHECK(epilogue(64, MaskKind::kNone) == Epilogue::kDirect);
  CHECK(epilogue(128, MaskKind::kNone) == Epilogue::kThroughQ);
  CHECK(epilogue(256, MaskKind::kNone) == Epilogue::kStaged);
}

TEST_CASE("row sums by mma only where the caller does not ask for the LSE") {
  const ProblemShape shape = square(1, 16, 16384);
  const auto sums_by_mma = [&](int head_dim, MaskKind mask, bool lse) {
    return default_sm90_tiling(problem_of(head_dim, head_dim, mask, lse), shape, kHopper, kH100)
        ->row_sum_by_mma;
  };
  for (const int head_dim : {64, 80, 96}) {
    CHECK(sums_by_mma(head_dim, MaskKind::kNone, false));
    CHECK(sums_by_mma(head_dim, MaskKind::kCausal, false));
    CHECK_FALSE(sums_by_mma(head_dim, MaskKind::kNone, true));
  }
  for (const int head_dim : {112, 160}) CHECK(sums_by_mma(head_dim, MaskKind::kCausal, false));
  for (const int head_dim : {112, 128, 160, 256})
    CHECK_FALSE(sums_by_mma(head_dim, MaskKind::kNone, false));
}

TEST_CASE("ones behind V go with 96 keys in three stages, and with ping-pong from head_dim 88") {
  const auto tiling = [](int head_dim, MaskKind mask) {
    const ProblemShape shape = square(1, 16, 16384);
    return default_sm90_tiling(problem_of(head_dim, head_dim, mask), shape, kHopper, kH100).value();
  };
  for (const int head_dim : {80, 88, 96}) {
    CAPTURE(head_dim);
    const Tiling t = tiling(head_dim, MaskKind::kCausal);
    CHECK(t.block_m == 192);
    CHECK(t.block_n == 96);
    CHECK(t.num_stages == 3);
    CHECK(t.ping_pong == (head_dim >= 88));
    CHECK_FALSE(tiling(head_dim, MaskKind::kNone).ping_pong);
  }
  CHECK(tiling(112, MaskKind::kCausal).block_n == 64);
  CHECK(tiling(112, MaskKind::kCausal).num_stages == 4);
}

TEST_CASE("clusters where K and V are read by half sectors, and beyond 128 on long causal rows") {
  const auto cluster_size = [](int qk, int v, MaskKind mask, int seqlen) {
    const ProblemShape shape = square(16384 / seqlen, 2048 / qk, seqlen);
    return default_sm90_tiling(problem_of(qk, v, mask), shape, kHopper, kH100)->cluster_size;
  };
  for (const int head_dim : {136, 168, 232}) {
    for (const int seqlen : {512, 4096}) {
      CHECK(cluster_size(head_dim, head_dim, MaskKind::kNone, seqlen) == 2);
      CHECK(cluster_size(head_dim, head_dim, MaskKind::kCausal, seqlen) == 2);
    }
  }
  CHECK(cluster_size(192, 136, MaskKind::kNone, 4096) == 2);
  for (const int head_dim : {144, 192, 256}) {
    CHECK(cluster_size(head_dim, head_dim, MaskKind::kCausal, 1024) == 1);
    CHECK(cluster_size(head_dim, head_dim, MaskKind::kCausal, 2048) == 2);
    CHECK(cluster_size(head_dim, head_dim, MaskKind::kCausal, 16384) == 1);
    CHECK(cluster_size(head_dim, head_dim, MaskKind::kNone, 4096) == 1);
  }
  for (const int head_dim : {64, 72, 120, 128})
    CHECK(cluster_size(head_dim, head_dim, MaskKind::kCausal, 4096) == 1);
  // Few rows leave nothing for a second CTA.
  for (const int seqlen : {1, 65, 128}) {
    CHECK(default_sm90_tiling(
              problem_of(136, 136, MaskKind::kNone), square(64, 16, seqlen), kHopper, kH100)
              ->cluster_size == 1);
  }
}

TEST_CASE("no tiling for other devices and dtypes") {
  const Problem problem = problem_of(128, 128, MaskKind::kNone);
  CHECK_FALSE(default_sm90_tiling(problem, square(1, 1, 1), {8, 0, false}, kH100));
  CHECK_FALSE(default_sm90_tiling(problem, square(1, 1, 1), {9, 0, false}, kH100));
  Problem fp32 = problem;
  fp32.dtype = Dtype::kFp32;
  CHECK_FALSE(default_sm90_tiling(fp32, square(1, 1, 1), kHopper, kH100));
}
