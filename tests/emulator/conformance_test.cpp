// Every function of kernel_src/ptx/ on the emulator: its result is the one that the ISA defines,
// the same text compiles for the GPU, and no function is without a case or a twin here.
#include "conformance/cases.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "emulator/core/options.h"
#include "runtime/compiler.h"
#include "runtime/kernel_registry.h"
#include "runtime/variant_source.h"
#include "support/catch.h"
#include "support/paths.h"
#include "support/temp_dir.h"

namespace flashjit::conformance {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::set<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator i(text.begin(), text.end(), regex), end; i != end; ++i)
    found.insert((*i)[1]);
  return found;
}

// Header → its functions; of wgmma, the multiplies that are written per variant too.
std::map<std::string, std::set<std::string>> ptx_functions() {
  std::map<std::string, std::set<std::string>> functions;
  const std::string pattern = R"(__device__\s+__forceinline__\s+[\w:]+\s+(\w+)\s*\()";
  for (const auto& entry : fs::directory_iterator(test::source_dir() / "kernel_src/ptx"))
    functions[entry.path().filename()] = matches(read_text(entry.path()), pattern);
  functions["wgmma.h"].merge(matches(wgmma_ops_header(gpu_config(Dtype::kBf16)), pattern));
  return functions;
}

std::string kernel_text() {
  std::string text;
  for (const char* name : kCaseFiles)
    text += read_text(test::source_dir() / "tests/conformance" / name);
  return text;
}

}  // namespace

TEST_CASE("conformance: every function of ptx/ has a case and an emulated twin") {
  std::set<std::string> all, cases;
  for (const auto& [header, functions] : ptx_functions()) {
    INFO(header);
    CHECK_FALSE(functions.empty());
    const std::string twin = read_text(test::source_dir() / "emulator/include/ptx" / header);
    const std::set<std::string> emulated =
        matches(twin, R"((?:inline|^|\n)\s*(?:[\w:]+)\s+(\w+)\()");
    for (const std::string& function : functions) {
      INFO(function);
      CHECK(emulated.count(function) == 1);
      all.insert(function);
    }
  }
  CHECK(all.size() > 40);
  for (const Case& c : all_cases()) cases.insert(c.name);
  CHECK(cases == all);
  CHECK(cases.size() == all_cases().size());
}

TEST_CASE("conformance: the kernel of a case calls its function") {
  const std::string text = kernel_text();
  const std::set<std::string> called = matches(text, R"(ptx::(\w+)\s*(?:<[^;()]*>)?\()");
  const std::set<std::string> kernels =
      matches(text, R"(template <Dtype(?: kDtype)?>\s*__device__ void (\w+)\(const Args& args\))");
  for (const Case& c : all_cases()) {
    INFO(c.name);
    CHECK(called.count(c.name) == 1);
    CHECK(kernels.count(c.name) == 1);
  }
  CHECK(kernels.size() == all_cases().size());
}

TEST_CASE("conformance: the emulator's results are those that the ISA defines") {
  for (const Case& c : all_cases()) {
    for (const Dtype dtype : {Dtype::kFp16, Dtype::kBf16}) {
      DYNAMIC_SECTION(c.name << " " << to_string(dtype)) {
        const Words in = make_input(c, dtype);
        Words wanted(in.size(), kUntouched);
        c.expect(dtype, in, wanted);
        for (std::uint64_t seed = 1; seed <= 6; ++seed) {
          std::string report;
          try {
            report = compare(c, run_emulated(c, dtype, in, seed), wanted);
          } catch (const emu::Failure& failure) {
            report = failure.kind() + ": " + failure.what();
          }
          INFO("seed " << seed);
          CHECK_THAT(report, Catch::Matchers::Equals(""));
        }
      }
    }
  }
}

TEST_CASE("conformance: the comparison sees one wrong bit, and no more than the stated error") {
  for (const Case& c : all_cases()) {
    INFO(c.name);
    const Words in = make_input(c, Dtype::kBf16);
    Words wanted(in.size(), kUntouched);
    c.expect(Dtype::kBf16, in, wanted);
    CHECK(compare(c, wanted, wanted).empty());
    const auto is_number = [](u32 bits) {
      return bits == 0 || std::isnormal(std::bit_cast<float>(bits));
    };
    const u32 flip = c.relative > 0 ? 1u << 20 : 1u;
    Words wrong = wanted;
    *std::find_if(wrong.begin(), wrong.end(), is_number) ^= flip;
    CHECK_FALSE(compare(c, wrong, wanted).empty());
    wrong = wanted;
    *std::find_if(wrong.rbegin(), wrong.rend(), is_number) ^= flip;
    CHECK_FALSE(compare(c, wrong, wanted).empty());
  }
}

TEST_CASE("conformance: the same text compiles for the GPU") {
  const char* path = std::getenv("FLASHJIT_LIBNVRTC");
  const Compiler compiler(std::make_shared<NvrtcLibrary>(path != nullptr ? path : ""));
  const test::TempDir dir;
  copy_sources(dir / "sources");
  const KernelSources sources = KernelSources::from_directory(dir / "sources");
  for (const Dtype dtype : {Dtype::kFp16, Dtype::kBf16}) {
    VariantSource source = make_variant_source(gpu_config(dtype), sources);
    source.text = gpu_source(dtype);
    const Binary binary = compiler.compile(source, sources);
    CHECK_FALSE(binary.code.empty());
    for (const std::string& warning : binary.warnings) UNSCOPED_INFO(warning);
    CHECK(binary.warnings.empty());
  }
}

}  // namespace flashjit::conformance
