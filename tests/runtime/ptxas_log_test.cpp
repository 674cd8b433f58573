#include "ptxas_log.h"

#include "support/catch.h"

using namespace flashjit;

namespace {

// What ptxas 13.0 wrote for two kernels, shortened.
constexpr const char* kLog =
    "ptxas info    : 0 bytes gmem\n"
    "ptxas info    : Compiling entry function 'first' for 'sm_90a'\n"
    "ptxas info    : Function properties for first\n"
    "ptxas         .     16 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
    "ptxas info    : Used 114 registers, used 1 barriers, 16 bytes cumulative stack size\n"
    "ptxas info    : Compiling entry function 'second' for 'sm_90a'\n"
    "ptxas info    : Function properties for second\n"
    "ptxas         .     8 bytes stack frame, 24 bytes spill stores, 40 bytes spill loads\n"
    "ptxas info    : Used 96 registers, used 1 barriers, 128 bytes smem\n";

}  // namespace

TEST_CASE("resources are the largest over the kernels of a log") {
  const ResourceUse use = parse_ptxas_resources(kLog);
  CHECK(use.registers == 114);
  CHECK(use.stack_bytes == 16);
  CHECK(use.spill_store_bytes == 24);
  CHECK(use.spill_load_bytes == 40);
  CHECK(use.static_smem_bytes == 128);
  CHECK(parse_ptxas_resources("").registers == 0);
}

TEST_CASE("a log without its compile times is the same log otherwise") {
  CHECK(without_compile_times("") == "");
  CHECK(without_compile_times("a\nptxas info    : Compile time = 559.638 ms\n\nb") == "a\n\nb");
  CHECK(without_compile_times("ptxas info    : Compile time = 1.0 ms") == "");
}

TEST_CASE("spills, performance losses and warnings are found, and nothing else") {
  const std::vector<std::string> spills = find_compile_warnings(kLog);
  REQUIRE(spills.size() == 1);
  CHECK_THAT(spills[0], ContainsSubstring("24 bytes spill stores"));

  const std::vector<std::string> warnings = find_compile_warnings(
      "v.cu(3): warning #177-D: variable \"x\" was declared but never referenced\n"
      "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are "
      "serialized due to insufficient register resources in function 'v'\n"
      "ptxas info    : Used 168 registers\n");
  REQUIRE(warnings.size() == 2);
  CHECK_THAT(warnings[0], ContainsSubstring("177-D"));
  CHECK_THAT(warnings[1], ContainsSubstring("C7510"));
  CHECK(find_compile_warnings("ptxas info : Used 9 registers, 0 bytes spill stores\n").empty());
}
