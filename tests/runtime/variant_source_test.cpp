#include "variant_source.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "kernel_src/variant_plan.h"
#include "support/catch.h"
#include "support/paths.h"

using namespace flashjit;

namespace {

struct Golden {
  const char* name;
  Arch arch;
};
constexpr Golden kGoldens[] = {
    {"fwd_simt_fp16_d64_m64n64", {8, 0, false}},
    {"fwd_sm80_bf16_d128_causal_lse_m128n64s2w8", {8, 9, false}},
    {"fwd_standard_fp16_d64_m64n64", {8, 0, false}},
    {"fwd_sm90_bf16_d128_causal_m128n128s2", {9, 0, true}},
};

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

// After a deliberate change of the generated text: FLASHJIT_UPDATE_GOLDEN=1 runtime_tests
// "generated source*", then read the difference before committing it.
TEST_CASE("generated source is what it was") {
  for (const Golden& golden : kGoldens) {
    const std::optional<KernelConfig> config = parse_variant_name(golden.name, golden.arch);
    REQUIRE(config.has_value());
    const std::filesystem::path path =
        test::source_dir() / "tests/runtime/golden" / (std::string(golden.name) + ".cu");
    if (std::getenv("FLASHJIT_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(path) << variant_source(*config);
    }
    CHECK(variant_source(*config) == read_file(path));
  }
}

TEST_CASE("every field of a config is in its source") {
  const KernelConfig base = *parse_variant_name("fwd_sm90_bf16_d128_m128n128s2", {9, 0, true});
  std::vector<KernelConfig> others(24, base);
  int i = 0;
  others[i++].problem.dtype = Dtype::kFp16;
  others[i++].problem.head_dim_qk = 72;
  others[i++].problem.head_dim_v = 72;
  others[i++].problem.mask = MaskKind::kCausal;
  others[i++].problem.return_lse = true;
  others[i++].tiling.family = Family::kSm80;
  others[i++].tiling.block_m = 192;
  others[i++].tiling.block_n = 80;
  others[i++].tiling.num_stages = 4;
  others[i++].tiling.num_q_stages = 1;
  others[i++].tiling.num_warps = 12;
  others[i++].tiling.overlap = false;
  others[i++].tiling.ping_pong = true;
  others[i++].tiling.skip_masked = true;
  others[i++].tiling.row_sum_by_mma = true;
  others[i++].tiling.probs_in_smem = true;
  others[i++].tiling.cluster_size = 2;
  others[i++].tiling.schedule = Schedule::kStatic;
  others[i++].tiling.rescale = Rescale::kLazy;
  others[i++].tiling.epilogue = Epilogue::kStaged;
  others[i++].tiling.producer_regs = 24;
  others[i++].tiling.consumer_regs = 240;
  others[i++].arch = {10, 3, false};
  others[i++].profile = true;
  REQUIRE(i == static_cast<int>(others.size()));
  for (const KernelConfig& other : others) {
    CHECK(to_source(other) != to_source(base));
  }
}

TEST_CASE("only a variant with a cluster says so at its kernel") {
  const Arch hopper = {9, 0, true};
  const KernelConfig alone = *parse_variant_name("fwd_sm90_bf16_d64_m128n64s2_static", hopper);
  const KernelConfig pair = *parse_variant_name("fwd_sm90_bf16_d64_m128n64s2c2_static", hopper);
  CHECK(variant_source(alone).find("__cluster_dims__") == std::string::npos);
  CHECK_THAT(variant_source(pair),
             ContainsSubstring("__global__ void __cluster_dims__(2) __launch_bounds__("));
}

TEST_CASE("kernels are named after the variant") {
  const KernelConfig fused = *parse_variant_name("fwd_simt_fp16_d64_m64n64", {8, 0, false});
  CHECK(kernel_names(fused) == std::vector<std::string>{"fwd_simt_fp16_d64_m64n64"});
  const KernelConfig standard = *parse_variant_name("fwd_standard_fp16_d64_m64n64", {8, 0, false});
  const std::vector<std::string> names = kernel_names(standard);
  CHECK(names.size() == 6);
  for (const std::string& name : names) {
    CHECK_THAT(variant_source(standard), ContainsSubstring("\n" + name + "("));
  }
}

TEST_CASE("options name the target and no path") {
  const KernelConfig config = *parse_variant_name("fwd_simt_fp16_d64_m64n64", {9, 0, true});
  const std::vector<std::string> options = compile_options(config);
  CHECK(options.at(0) == "--gpu-architecture=sm_90a");
  for (const std::string& option : options) {
    CHECK(option.find('/') == std::string::npos);
  }
}
