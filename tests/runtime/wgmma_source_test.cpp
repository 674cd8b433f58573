#include "wgmma_source.h"

#include <algorithm>
#include <regex>

#include "support/catch.h"
#include "variant_name.h"

using namespace flashjit;

namespace {

KernelConfig config_of(const char* name) {
  const std::optional<KernelConfig> config = parse_variant_name(name, {9, 0, true});
  REQUIRE(config.has_value());
  return *config;
}

// The functions of a header, one string each.
std::vector<std::string> functions_of(const std::string& header) {
  std::vector<std::string> functions;
  std::size_t at = header.find("template <");
  while (at != std::string::npos) {
    const std::size_t next = header.find("template <", at + 1);
    functions.push_back(header.substr(at, next - at));
    at = next;
  }
  return functions;
}

long count(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  return std::distance(std::sregex_iterator(text.begin(), text.end(), regex),
                       std::sregex_iterator());
}

// Operands are numbered in the order in which their constraints stand.
int highest_operand(const std::string& text) {
  const std::regex regex("%([0-9]+)");
  int highest = -1;
  for (std::sregex_iterator i(text.begin(), text.end(), regex), end; i != end; ++i)
    highest = std::max(highest, std::stoi((*i)[1]));
  return highest;
}

}  // namespace

TEST_CASE("an sm90 variant gets the two products of its shapes") {
  const std::vector<std::string> functions =
      functions_of(wgmma_ops_header(config_of("fwd_sm90_bf16_d128_causal_m192n80s3")));
  REQUIRE(functions.size() == 2);
  const std::string& scores = functions[0];
  const std::string& output = functions[1];
  CHECK_THAT(scores, ContainsSubstring("wgmma_ss(float (&d)[40], u64 desc_a, u64 desc_b)"));
  CHECK_THAT(output,
             ContainsSubstring("wgmma_rs(float (&d)[64], const u32 (&a)[5][4], u64 desc_b)"));
  // head_dim 128 and 80 keys in steps of 16.
  CHECK(count(scores, "wgmma.mma_async.sync.aligned.m64n80k16.f32.bf16.bf16") == 8);
  CHECK(count(output, "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16") == 5);
  // The first wgmma of S writes its accumulators, all others add to theirs.
  CHECK(count(scores, "\"=f\"") == 40);
  CHECK(count(scores, "no, 1, 1") == 1);
  CHECK(count(scores, "yes, 1, 1") == 7);
  CHECK(count(output, "\"\\+f\"") == 64);
  CHECK(count(output, "yes, 1, 1") == 5);
  // Q and K are K-major; V is transposed by the instruction.
  CHECK(count(scores, ", 1, 1, 0, 0;") == 8);
  CHECK(count(output, ", 1, 1, 1;") == 5);
  for (const std::string& function : functions) {
    CHECK(highest_operand(function) + 1 == count(function, "\"[=+]?[flrn]\"\\("));
  }
}

TEST_CASE("every step of a product has descriptors and registers of its own") {
  const std::vector<std::string> functions =
      functions_of(wgmma_ops_header(config_of("fwd_sm90_bf16_d40_m128n32s2")));
  REQUIRE(functions.size() == 2);
  // 16 accumulators, %16 and %17 the descriptors, then b and a of step 1, b and a of step 2.
  const std::string& scores = functions[0];
  CHECK_THAT(scores, ContainsSubstring("%15}, %16, %17, no"));
  CHECK_THAT(scores, ContainsSubstring("add.u64 a, %16, %19;"));
  CHECK_THAT(scores, ContainsSubstring("add.u64 b, %17, %18;"));
  CHECK_THAT(scores, ContainsSubstring("add.u64 a, %16, %21;"));
  CHECK_THAT(scores, ContainsSubstring("add.u64 b, %17, %20;"));
  CHECK_THAT(scores,
             ContainsSubstring(
                 R"("n"(Steps::b(1)), "n"(Steps::a(1)), "n"(Steps::b(2)), "n"(Steps::a(2)))"));
  // 20 accumulators, two steps of A, the descriptor of B, b of step 1.
  const std::string& output = functions[1];
  CHECK_THAT(output, ContainsSubstring("{%20, %21, %22, %23}, %28, yes"));
  CHECK_THAT(output, ContainsSubstring("{%24, %25, %26, %27}, b, yes"));
  CHECK_THAT(output, ContainsSubstring("add.u64 b, %28, %29;"));
}

TEST_CASE("row sums by mma take eight more columns, fp16 its own type") {
  const std::string header = wgmma_ops_header(config_of("fwd_sm90_fp16_d64_m192n128s3_mmasum"));
  CHECK_THAT(header, ContainsSubstring("m64n72k16.f32.f16.f16"));
  CHECK_THAT(header, ContainsSubstring("kDtype == Dtype::kFp16"));
  CHECK(header.find("bf16") == std::string::npos);
}

TEST_CASE("P in shared memory: both products take descriptors, the second adds") {
  const std::vector<std::string> functions =
      functions_of(wgmma_ops_header(config_of("fwd_sm90_bf16_d128_m128n80s2_psmem")));
  REQUIRE(functions.size() == 2);
  const std::string& output = functions[1];
  CHECK_THAT(output, ContainsSubstring("wgmma_ss(float (&d)[64], u64 desc_a, u64 desc_b)"));
  CHECK_THAT(output, ContainsSubstring("kTransB == true && kAccumulate == true"));
  CHECK(count(output, "\"\\+f\"") == 64);
  CHECK(count(output, "yes, 1, 1, 0, 1;") == 5);
  CHECK_THAT(output, ContainsSubstring("add.u64 a, %64, %67;"));
  CHECK_THAT(output, ContainsSubstring("add.u64 b, %65, %66;"));
  CHECK(highest_operand(output) + 1 == count(output, "\"[=+]?[flrn]\"\\("));
}

TEST_CASE("no other family has wgmma") {
  KernelConfig config = config_of("fwd_sm90_bf16_d128_m128n128s2");
  config.tiling = {.family = Family::kSimt};
  CHECK(wgmma_ops_header(config).empty());
}
