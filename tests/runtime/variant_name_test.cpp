#include "variant_name.h"

#include <set>

#include "support/catch.h"

using namespace flashjit;

namespace {

constexpr Arch kHopper = {.major = 9, .minor = 0, .specific = true};

// Calls `visit` for the base tiling of every family and problem kind, and for each of its
// neighbours that differs in one field.
template <typename Visit>
void for_each_config(const Visit& visit) {
  for (const Family family : {Family::kStandard, Family::kSimt, Family::kSm80, Family::kSm90}) {
    for (const Dtype dtype : {Dtype::kFp16, Dtype::kBf16, Dtype::kFp32}) {
      for (const auto& [qk, v] : {std::pair(64, 64), {8, 256}, {192, 128}}) {
        for (const MaskKind mask : {MaskKind::kNone, MaskKind::kCausal}) {
          for (const int block_m : {64, 128, 192, 256}) {
            const Problem problem = {.dtype = dtype,
                                     .head_dim_qk = qk,
                                     .head_dim_v = v,
                                     .mask = mask,
                                     .return_lse = qk == 8};
            const KernelConfig base = {.problem = problem,
                                       .tiling = naming_base(family, block_m, problem),
                                       .arch = kHopper};
            visit(base);
            for (int field = 0; field < 16; ++field) {
              KernelConfig other = base;
              Tiling& t = other.tiling;
              switch (field) {
                case 0:
                  t.block_n = 176;
                  break;
                case 1:
                  t.num_stages = 4;
                  break;
                case 2:
                  t.num_q_stages += 1;
                  break;
                case 3:
                  t.num_warps += 4;
                  break;
                case 4:
                  t.overlap = !t.overlap;
                  break;
                case 5:
                  t.ping_pong = !t.ping_pong;
                  break;
                case 6:
                  t.skip_masked = !t.skip_masked;
                  break;
                case 7:
                  t.row_sum_by_mma = !t.row_sum_by_mma;
                  break;
                case 8:
                  t.schedule = Schedule::kStatic;
                  break;
                case 9:
                  t.rescale = t.rescale == Rescale::kEager ? Rescale::kLazy : Rescale::kEager;
                  break;
                case 10:
                  t.epilogue = Epilogue::kStaged;
                  break;
                case 11:
                  t.producer_regs = 56;
                  break;
                case 12:
                  t.consumer_regs = 208;
                  break;
                case 13:
                  t.probs_in_smem = !t.probs_in_smem;
                  break;
                case 14:
                  t.cluster_size = 2;
                  break;
                case 15:
                  other.profile = true;
                  break;
              }
              visit(other);
            }
          }
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("a variant name leads back to its config and no two configs share one") {
  std::set<std::string> names;
  int configs = 0;
  for_each_config([&](const KernelConfig& config) {
    const std::string name = variant_name(config);
    INFO(name);
    ++configs;
    CHECK(names.insert(name).second);
    const std::optional<KernelConfig> parsed = parse_variant_name(name, config.arch);
    REQUIRE(parsed.has_value());
    CHECK(*parsed == config);
    CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos);
  });
  CHECK(configs == static_cast<int>(names.size()));
}

TEST_CASE("usual variants have short names") {
  const Problem problem = {.mask = MaskKind::kCausal};
  KernelConfig config = {
      .problem = problem, .tiling = naming_base(Family::kSm90, 128, problem), .arch = kHopper};
  config.tiling.block_n = 128;
  config.tiling.num_stages = 2;
  CHECK(variant_name(config) == "fwd_sm90_bf16_d128_causal_m128n128s2");

  config.problem = {
      .dtype = Dtype::kFp16, .head_dim_qk = 192, .head_dim_v = 128, .return_lse = true};
  config.tiling = {.family = Family::kSm80, .block_m = 128, .num_stages = 3, .num_warps = 8};
  CHECK(variant_name(config) == "fwd_sm80_fp16_d192v128_lse_m128n64s3w8_eager");
}

TEST_CASE("what is no variant name is not parsed") {
  const auto parses = [](std::string_view name) {
    return parse_variant_name(name, kHopper).has_value();
  };
  REQUIRE(parses("fwd_simt_bf16_d64_m64n64"));
  const auto name = GENERATE("",
                             "fwd",
                             "bwd_simt_bf16_d64_m64n64",
                             "fwd_simt_bf16_d64",
                             "fwd_simt_int8_d64_m64n64",
                             "fwd_sm70_bf16_d64_m64n64",
                             "fwd_simt_bf16_d64_m64",
                             "fwd_simt_bf16_d64v64_m64n64",  // v is named only when it differs
                             "fwd_simt_bf16_d064_m64n64",    // one config, one name
                             "fwd_simt_bf16_d64_m64n64s1",   // says the obvious
                             "fwd_simt_bf16_d64_lse_causal_m64n64",
                             "fwd_simt_bf16_d64_m64n64_",
                             "fwd_simt_bf16_d64_m64n64_fast",
                             "fwd_simt_bf16_d-64_m64n64",
                             "fwd_simt_bf16_d64_m99999999999n64",
                             "fwd_simt_bf16_d64_m64n64 ");
  CAPTURE(name);
  CHECK_FALSE(parses(name));
}

TEST_CASE("what says a variant in other words has a proper name") {
  const auto proper = [](std::string_view text) {
    return proper_variant_name(text, kHopper).value_or("none");
  };
  for (const char* text : {"fwd_sm90_bf16_d64_causal_m128n64s2c2",
                           "fwd_sm90_bf16_d64_causal_m128n64s2c2_dynamic",
                           "fwd_sm90_bf16_d064_causal_m128n64s2c2"}) {
    CAPTURE(text);
    CHECK(proper(text) == "fwd_sm90_bf16_d64_causal_m128n64s2c2");
  }
  CHECK(proper("fwd_sm90_bf16_d64_m128n64s2_lazy_static") ==
        "fwd_sm90_bf16_d64_m128n64s2_static_lazy");
  CHECK(proper("fwd_sm90_bf16_d64_m128n64s2_fast") == "none");
}

TEST_CASE("arch names") {
  for (const Arch arch :
       {Arch{8, 0, false}, Arch{8, 9, false}, Arch{9, 0, true}, Arch{12, 1, true}}) {
    CHECK(parse_arch(arch_name(arch)) == arch);
  }
  CHECK(arch_name(kHopper) == "sm_90a");
  CHECK(parse_arch("90a") == kHopper);
  CHECK(parse_arch("9.0a") == kHopper);
  CHECK(parse_arch("12.0") == Arch{12, 0, false});
  for (const char* text : {"",
                           "sm_",
                           "sm_9",
                           "9.",
                           "90b",
                           "sm_90aa",
                           "9.00",
                           "1.20",
                           "-90",
                           "sm_1234",
                           "compute_90"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_arch(text).has_value());
  }
}

TEST_CASE("dtype and family names lead back") {
  for (const Dtype dtype : {Dtype::kFp16, Dtype::kBf16, Dtype::kFp32}) {
    CHECK(parse_dtype(to_string(dtype)) == dtype);
  }
  for (const Family family : {Family::kStandard, Family::kSimt, Family::kSm80, Family::kSm90}) {
    CHECK(parse_family(to_string(family)) == family);
  }
  CHECK_FALSE(parse_dtype("float16").has_value());
  CHECK_FALSE(parse_family("sm_80").has_value());
}
