#include "select.h"

#include "kernel_src/variant_plan.h"
#include "support/catch.h"

namespace flashjit {
namespace {

DeviceInfo device_with(const Arch& arch) {
  DeviceInfo device;
  device.name = "a test's device";
  device.arch = arch;
  device.sm_count = 100;
  return device;
}

constexpr Arch kTuring{7, 5, false};
constexpr Arch kAmpere{8, 0, false};
constexpr Arch kAda{8, 9, false};
constexpr Arch kHopper{9, 0, true};
constexpr Arch kBlackwell{10, 0, true};

ValidatedProblem call(Dtype dtype, int head_dim_qk, int head_dim_v) {
  ValidatedProblem result;
  result.problem = {.dtype = dtype, .head_dim_qk = head_dim_qk, .head_dim_v = head_dim_v};
  result.shape.batch = 2;
  result.shape.num_heads_q = result.shape.num_heads_kv = 4;
  result.shape.seqlen_q = result.shape.seqlen_kv = 1000;
  result.shape.softmax_scale = 0.1f;
  const auto strides = [](int head_dim) {
    return Strides{1000 * 4 * head_dim, 4 * head_dim, head_dim};
  };
  result.shape.q_stride = result.shape.k_stride = strides(head_dim_qk);
  result.shape.v_stride = result.shape.o_stride = strides(head_dim_v);
  return result;
}

Selection select_on(const Arch& arch, const ValidatedProblem& c) {
  return select(c.problem, c.shape, device_with(arch), {}, {});
}

}  // namespace

TEST_CASE("every device gets a legal variant for every problem") {
  for (const Arch& arch : {kTuring, kAmpere, kAda, kHopper, kBlackwell})
    for (const Dtype dtype : {Dtype::kFp16, Dtype::kBf16, Dtype::kFp32})
      for (int head_dim = 8; head_dim <= 256; head_dim += 8)
        for (const int head_dim_v : {8, head_dim, 256}) {
          const Selection selection = select_on(arch, call(dtype, head_dim, head_dim_v));
          INFO(static_cast<int>(dtype)
               << " " << head_dim << " " << head_dim_v << " " << arch.major);
          REQUIRE(is_legal(selection.config));
          REQUIRE(selection.selected_by == "heuristic");
          REQUIRE(selection.config.arch == arch);
        }
}

TEST_CASE("the fastest family that can run the call is chosen") {
  const auto family = [](const Arch& arch, Dtype dtype, int head_dim) {
    return select_on(arch, call(dtype, head_dim, head_dim)).config.tiling.family;
  };
  REQUIRE(family(kHopper, Dtype::kBf16, 128) == Family::kSm90);
  REQUIRE(family(kAmpere, Dtype::kBf16, 128) == Family::kSm80);
  REQUIRE(family(kBlackwell, Dtype::kFp16, 64) == Family::kSm80);
  REQUIRE(family(kTuring, Dtype::kFp16, 64) == Family::kSimt);
  REQUIRE(family(kHopper, Dtype::kFp32, 64) == Family::kSimt);
}

TEST_CASE("what TMA cannot express goes to the next family, with the reason") {
  ValidatedProblem broadcast = call(Dtype::kBf16, 128, 128);
  broadcast.shape.k_stride.head = 0;
  const Selection selection = select_on(kHopper, broadcast);
  REQUIRE(selection.config.tiling.family == Family::kSm80);
  REQUIRE_FALSE(selection.note.empty());
}

TEST_CASE("forced choices are obeyed or refused") {
  const ValidatedProblem c = call(Dtype::kBf16, 128, 128);
  const DeviceInfo hopper = device_with(kHopper), turing = device_with(kTuring);
  const Selection simt = select(c.problem, c.shape, hopper, Family::kSimt, {});
  REQUIRE(simt.config.tiling.family == Family::kSimt);
  REQUIRE(simt.selected_by == "forced family");

  Tiling tiling{.family = Family::kSimt, .block_m = 32, .block_n = 32};
  const Selection forced = select(c.problem, c.shape, hopper, Family::kSm80, tiling);
  REQUIRE(forced.config.tiling == tiling);
  REQUIRE(forced.selected_by == "forced tiling");

  tiling.block_m = 33;
  const auto rejected = [&](ErrorCode code, const auto& body) {
    try {
      body();
    } catch (const Error& error) {
      REQUIRE(error.code() == code);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  REQUIRE_THAT(rejected(ErrorCode::kInvalidArgument,
                        [&] { select(c.problem, c.shape, hopper, {}, tiling); }),
               ContainsSubstring("options.tiling") && ContainsSubstring("block_m"));
  REQUIRE_THAT(rejected(ErrorCode::kNotSupported,
                        [&] { select(c.problem, c.shape, turing, Family::kSm90, {}); }),
               ContainsSubstring("options.family") && ContainsSubstring("sm_75"));
}

TEST_CASE("a device that no family supports is named, with every reason") {
  const ValidatedProblem c = call(Dtype::kBf16, 128, 128);
  try {
    select_on({6, 0, false}, c);
    FAIL("accepted");
  } catch (const Error& error) {
    REQUIRE(error.code() == ErrorCode::kNotSupported);
    REQUIRE_THAT(error.what(),
                 ContainsSubstring("a test's device") && ContainsSubstring("sm90 kernels need") &&
                     ContainsSubstring("simt kernels need"));
  }
}

TEST_CASE("default_tiling is what select chooses, or nothing") {
  const ValidatedProblem c = call(Dtype::kBf16, 64, 64);
  REQUIRE(default_tiling(Family::kSm90, c.problem, c.shape, kHopper, 100) ==
          select_on(kHopper, c).config.tiling);
  REQUIRE_FALSE(default_tiling(Family::kSm90, c.problem, c.shape, kAmpere, 100).has_value());
}

}  // namespace flashjit
