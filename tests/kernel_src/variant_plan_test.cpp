// Plans, defaults and legality of the standard, simt and sm80 families. Pure arithmetic; what is
// legal here is compiled in compiled_variants_test.cpp.
#include "kernel_src/variant_plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "support/catch.h"

using namespace flashjit;

namespace {

constexpr std::array kArchs = {Arch{7, 5, false},
                               Arch{8, 0, false},
                               Arch{8, 6, false},
                               Arch{8, 9, false},
                               Arch{9, 0, true},
                               Arch{12, 0, false}};

KernelConfig sm80_config() {
  const Problem problem = {.dtype = Dtype::kBf16, .head_dim_qk = 128, .head_dim_v = 128};
  const Arch arch = {8, 0, false};
  return {problem, default_sm80_tiling(problem, arch, 4096), arch};
}

std::string reason(const KernelConfig& config) {
  const char* text = why_illegal(config);
  return text == nullptr ? "legal" : text;
}

// Every byte of the plan belongs to one region; their order is the family's own.
void check_regions(const KernelConfig& config) {
  const SmemPlan plan = smem_plan(config);
  std::map<int, int> bytes_at;
  for (int i = 0; i < static_cast<int>(SmemRegion::kCount); ++i) {
    if (plan.bytes[i] == 0) continue;
    CHECK(bytes_at.emplace(plan.offset[i], plan.bytes[i]).second);
    CHECK(plan.offset[i] % 128 == 0);  // what the swizzle of tile/swizzle.cuh builds on
  }
  int end = 0;
  for (const auto& [offset, bytes] : bytes_at) {
    CHECK(offset == end);
    end = offset + bytes;
  }
  CHECK(plan.total == end);
}

}  // namespace

TEST_CASE("the minimal kernel has the textbook's plan of 56 KB") {
  const Problem problem = {.dtype = Dtype::kFp16, .head_dim_qk = 64, .head_dim_v = 64};
  const Arch arch = {9, 0, true};
  const KernelConfig config = {problem, default_simt_tiling(problem, arch), arch};
  const SmemPlan plan = smem_plan(config);
  CHECK(plan.size(SmemRegion::kQ) == 8 * 1024);
  CHECK(plan.size(SmemRegion::kK) == 8 * 1024);
  CHECK(plan.size(SmemRegion::kV) == 8 * 1024);
  CHECK(plan.size(SmemRegion::kScores) == 16 * 1024);
  CHECK(plan.size(SmemRegion::kProbs) == 16 * 1024);
  CHECK(plan.total == 56 * 1024);
}

TEST_CASE("default tilings are legal for every head dim, dtype and arch of their family") {
  for (const Arch& arch : kArchs) {
    for (const Dtype dtype : {Dtype::kFp16, Dtype::kBf16, Dtype::kFp32}) {
      for (int head_dim = 8; head_dim <= 256; head_dim += 8) {
        for (const int head_dim_v : {8, head_dim, 256}) {
          const Problem problem = {
              .dtype = dtype, .head_dim_qk = head_dim, .head_dim_v = head_dim_v};
          const bool tensor_cores = dtype != Dtype::kFp32 && arch.major >= 8;
          INFO("arch " << arch.major << arch.minor << " dtype " << int(dtype) << " head dims "
                       << head_dim << " " << head_dim_v);
          CHECK(reason({problem, default_simt_tiling(problem, arch), arch}) == "legal");
          if (tensor_cores || dtype == Dtype::kFp32)
            CHECK(reason({problem, default_standard_tiling(problem, arch), arch}) == "legal");
          for (const int seqlen_q : {1, 4096}) {
            if (!tensor_cores) continue;
            const KernelConfig config = {
                problem, default_sm80_tiling(problem, arch, seqlen_q), arch};
            CHECK(reason(config) == "legal");
            CHECK(smem_bytes(config) <= max_smem_bytes(arch));
          }
        }
      }
    }
  }
}

TEST_CASE("regions of a plan follow each other and are aligned") {
  for (const int head_dim : {8, 40, 64, 72, 128, 256}) {
    const Problem problem = {.dtype = Dtype::kBf16,
                             .head_dim_qk = head_dim,
                             .head_dim_v = head_dim == 40 ? 88 : head_dim};
    const Arch arch = {9, 0, true};
    check_regions({problem, default_simt_tiling(problem, arch), arch});
    check_regions({problem, default_sm80_tiling(problem, arch, 4096), arch});
    check_regions({problem, default_standard_tiling(problem, arch), arch});
  }
}

TEST_CASE("illegal configs say what is wrong with them") {
  KernelConfig config = sm80_config();
  REQUIRE(reason(config) == "legal");
  SECTION("head_dim_qk") {
    config.problem.head_dim_qk = GENERATE(0, 12, 264);
    CHECK_THAT(reason(config), ContainsSubstring("head_dim_qk"));
  }
  SECTION("head_dim_v") {
    config.problem.head_dim_v = GENERATE(0, 12, 264);
    CHECK_THAT(reason(config), ContainsSubstring("head_dim_v"));
  }
  SECTION("fp32") {
    config.problem.dtype = Dtype::kFp32;
    CHECK_THAT(reason(config), ContainsSubstring("fp16 and bf16"));
  }
  SECTION("arch") {
    config.arch = {7, 5, false};
    CHECK_THAT(reason(config), ContainsSubstring("arch 8.0"));
  }
  SECTION("rows that do not divide among the warps") {
    config.tiling.block_m = 96;
    CHECK_THAT(reason(config), ContainsSubstring("block_m"));
  }
  SECTION("accumulators") {
    config.tiling.block_n = 128;
    CHECK_THAT(reason(config), ContainsSubstring("registers"));
  }
  SECTION("shared memory") {
    config.tiling.num_stages = 4;
    config.arch = {8, 6, false};
    CHECK_THAT(reason(config), ContainsSubstring("shared memory"));
  }
  SECTION("a field of another family") {
    config.tiling.ping_pong = true;
    CHECK_THAT(reason(config), ContainsSubstring("not at its default"));
  }
  SECTION("a rescale of another family") {
    config.tiling.rescale = Rescale::kOptimistic;
    CHECK_THAT(reason(config), ContainsSubstring("rescale"));
  }
}

TEST_CASE(
    "sm90: rows end with the narrowest swizzle that holds the last panel, tiles are aligned") {
  CHECK(row_bytes(8) == 32);
  CHECK(row_bytes(32) == 64);
  CHECK(row_bytes(64) == 128);
  CHECK(row_bytes(72) == 128 + 32);
  CHECK(row_bytes(96) == 128 + 64);
  CHECK(row_bytes(104) == 2 * 128);
  CHECK(row_bytes(160) == 2 * 128 + 64);
  for (int head_dim = 8; head_dim <= 256; head_dim += 8) {
    CHECK(row_bytes(head_dim) >= 2 * head_dim);
    for (const int block_n : {16, 48, 80}) {
      const KernelConfig config = {.problem = {.head_dim_qk = head_dim, .head_dim_v = head_dim},
                                   .tiling = {.family = Family::kSm90,
                                              .block_m = 192,
                                              .block_n = block_n,
                                              .num_stages = 2,
                                              .num_warps = 12,
                                              .epilogue = Epilogue::kStaged},
                                   .arch = {9, 0, true}};
      const SmemPlan plan = smem_plan(config);
      CAPTURE(head_dim, block_n);
      CHECK(plan.at(SmemRegion::kV) % 1024 == 0);
      CHECK(plan.at(SmemRegion::kOut) % 1024 == 0);
      CHECK(plan.size(SmemRegion::kK) / 2 % 1024 == 0);  // from a stage to the next
      CHECK(plan.size(SmemRegion::kK) / 2 >= block_n * row_bytes(head_dim));
      CHECK(plan.size(SmemRegion::kQ) == 192 * row_bytes(head_dim));
      CHECK(plan.size(SmemRegion::kOut) == 192 * std::min(row_bytes(head_dim), 256));
    }
  }
}

TEST_CASE("sm90: O goes through Q only where its rows lie on the warp's own rows of Q") {
  const auto through_q = [](int qk, int v) {
    return reason({.problem = {.head_dim_qk = qk, .head_dim_v = v},
                   .tiling = {.family = Family::kSm90,
                              .block_m = 64,
                              .block_n = 32,
                              .num_stages = 2,
                              .num_q_stages = 2,
                              .num_warps = 4,
                              .epilogue = Epilogue::kThroughQ},
                   .arch = {9, 0, true}});
  };
  for (const auto& [qk, v] :
       {std::pair(128, 128), {80, 80}, {192, 128}, {72, 64}, {160, 128}, {96, 96}})
    CHECK(through_q(qk, v) == "legal");
  // Rows of O that are narrower than Q's would lie on rows that other warps still read.
  for (const auto& [qk, v] :
       {std::pair(128, 80), {128, 96}, {192, 160}, {96, 72}, {72, 8}, {64, 32}, {64, 128}})
    CHECK_THAT(through_q(qk, v), ContainsSubstring("panels of Q as wide as those of O"));
}

TEST_CASE("illegal sm90 tilings say what is wrong with them") {
  KernelConfig config = {.problem = {.head_dim_qk = 72, .head_dim_v = 72},
                         .tiling = {.family = Family::kSm90,
                                    .block_m = 128,
                                    .block_n = 64,
                                    .num_stages = 2,
                                    .num_warps = 8,
                                    .row_sum_by_mma = true,
                                    .probs_in_smem = true,
                                    .cluster_size = 2,
                                    .schedule = Schedule::kStatic,
                                    .producer_regs = 40,
                                    .consumer_regs = 232},
                         .arch = {9, 0, true}};
  REQUIRE(reason(config) == "legal");
  SECTION("no room for ones in V's last panel, nor a panel of their own") {
    config.problem.head_dim_v = 128;
    CHECK_THAT(reason(config), ContainsSubstring("row_sum_by_mma needs head_dim_v"));
  }
  SECTION("row sums that the LSE needs") {
    config.problem.return_lse = true;
    CHECK_THAT(reason(config), ContainsSubstring("row_sum_by_mma gives no LSE"));
  }
  SECTION("clusters of another size") {
    config.tiling.cluster_size = GENERATE(0, 3, 4);
    CHECK_THAT(reason(config), ContainsSubstring("cluster_size"));
  }
  SECTION("a cluster of another family") {
    config.tiling = {.family = Family::kSm80, .num_warps = 4, .cluster_size = 2};
    CHECK_THAT(reason(config), ContainsSubstring("not at its default"));
  }
}

TEST_CASE("P in shared memory takes bytes there and frees registers") {
  KernelConfig config;
  config.tiling = {.family = Family::kSm90, .block_m = 192, .block_n = 80};
  CHECK(smem_plan(config).size(SmemRegion::kProbs) == 0);
  const int in_registers = sm90_accumulators(config);
  config.tiling.probs_in_smem = true;
  CHECK(smem_plan(config).size(SmemRegion::kProbs) == 192 * 2 * 128);  // two panels of 64 keys
  CHECK(sm90_accumulators(config) == in_registers - 80 / 4);
}

TEST_CASE("ones stand behind V where its last panel has room, else in a panel") {
  KernelConfig config;
  config.tiling = {.family = Family::kSm90, .row_sum_by_mma = true};
  config.problem.head_dim_v = 64;
  CHECK(smem_plan(config).size(SmemRegion::kOnes) == 64 * 128);
  config.problem.head_dim_v = 120;
  CHECK(smem_plan(config).size(SmemRegion::kOnes) == 0);
  CHECK(sm90_output_columns(config) == 128);
}

TEST_CASE("grids and the workspace are counted in 64 bits") {
  const KernelConfig config = sm80_config();
  CHECK(num_ctas(config, 65536, 256, 65536) == i64(512) * 65536 * 256);

  const Problem problem = {.dtype = Dtype::kBf16, .head_dim_qk = 64, .head_dim_v = 64};
  // 16 heads of 131072 x 131072 bf16 scores, and two floats for each row.
  CHECK(standard_workspace_bytes(problem, 1, 16, 131072, 131072) ==
        (i64(1) << 39) + 16 * 131072 * 8);
  const Arch arch = {8, 0, false};
  const KernelConfig standard = {problem, default_standard_tiling(problem, arch), arch};
  const LaunchShape launch =
      standard_launch(standard, StandardKernel::kScores, 1024, 256, 131072, 131072);
  CHECK(launch.grid_x == 0x7fffffff);  // 5.5e11 tiles: the kernel goes round
}

TEST_CASE("an LSE makes the scores of the standard family fp32") {
  Problem problem = {.dtype = Dtype::kFp16, .head_dim_qk = 64, .head_dim_v = 64};
  const i64 half = standard_score_bytes(problem, 1, 1, 64, 100);
  CHECK(half == 64 * 128 * 2);
  problem.return_lse = true;
  CHECK(standard_score_bytes(problem, 1, 1, 64, 100) == 2 * half);
}
