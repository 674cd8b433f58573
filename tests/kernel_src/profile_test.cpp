// What the profile costs when it is off: nothing. The kernels are compiled from the sources as they
// are and from a copy without any line that mentions the profiler; the binaries must be the same.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

#include "compiler.h"
#include "kernel_registry.h"
#include "kernel_src/variant_plan.h"
#include "support/catch.h"
#include "support/paths.h"
#include "support/temp_dir.h"
#include "variant_source.h"

using namespace flashjit;
namespace fs = std::filesystem;

namespace {

const Compiler& compiler() {
  static const Compiler instance = [] {
    const char* path = std::getenv("FLASHJIT_LIBNVRTC");
    return Compiler(std::make_shared<NvrtcLibrary>(path != nullptr ? path : ""));
  }();
  return instance;
}

KernelConfig variant(const std::string& name) {
  const bool hopper = name.starts_with("fwd_sm90");
  const auto config = parse_variant_name(name, Arch{hopper ? 9 : 8, 0, hopper});
  REQUIRE(config.has_value());
  REQUIRE(is_legal(*config));
  return *config;
}

Binary compile(const KernelConfig& config, const KernelSources& sources) {
  return compiler().compile(make_variant_source(config, sources), sources);
}

// The number of lines that were left out.
int copy_without_profiler(const fs::path& to) {
  const fs::path from = flashjit::test::source_dir() / "kernel_src";
  int left_out = 0;
  for (const auto& entry : fs::recursive_directory_iterator(from)) {
    if (!entry.is_regular_file()) continue;
    const fs::path path = to / fs::relative(entry.path(), from);
    fs::create_directories(path.parent_path());
    std::ifstream file(entry.path());
    std::ofstream copy(path);
    for (std::string line; std::getline(file, line);) {
      static const std::regex kLine(R"(profiler[.(]|^\s*Profiler<\w+> profiler)");
      const bool call = std::regex_search(line, kLine);
      left_out += call;
      if (!call) copy << line << '\n';
    }
  }
  return left_out;
}

}  // namespace

TEST_CASE("a kernel without a profile is the kernel without the profiler's lines") {
  const flashjit::test::TempDir dir;
  REQUIRE(copy_without_profiler(dir.path()) > 30);
  const KernelSources stripped = KernelSources::from_directory(dir.path());
  for (const auto& [name, text] : stripped.files()) {
    INFO(name);
    if (name != "profiler.cuh") CHECK(text.find("rofiler") == std::string::npos);
  }
  for (const std::string name : {"fwd_sm90_bf16_d128_causal_m128n128s2",
                                 "fwd_sm90_bf16_d64_lse_m192n128s2_nooverlap_static_staged",
                                 "fwd_sm80_bf16_d128_causal_m128n64s2w8",
                                 "fwd_simt_fp16_d64_m64n64"}) {
    INFO(name);
    const KernelConfig config = variant(name);
    const Binary with = compile(config, KernelSources::embedded());
    const Binary without = compile(config, stripped);
    CHECK(with.code == without.code);
    KernelConfig profiled = config;
    profiled.profile = true;
    CHECK(compile(profiled, KernelSources::embedded()).code != with.code);
  }
}

TEST_CASE("a profiled Hopper kernel keeps its asynchronous multiplies") {
  for (const std::string name :
       {"fwd_sm90_bf16_d128_causal_m128n128s2_profile", "fwd_sm90_bf16_d64_m192n128s4_profile"}) {
    INFO(name);
    const Binary binary = compile(variant(name), KernelSources::embedded());
    CHECK_THAT(binary.log, !ContainsSubstring("C7510"));  // serialised
    for (const std::string& warning : binary.warnings) WARN(warning);
  }
}

TEST_CASE("the six textbook kernels record no profile") {
  KernelConfig config = variant("fwd_standard_fp16_d128_m128n64s2");
  config.profile = true;
  REQUIRE(why_illegal(config) != nullptr);
  CHECK_THAT(why_illegal(config), ContainsSubstring("profile"));
}
