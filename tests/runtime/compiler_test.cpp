#include "compiler.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "kernel_registry.h"
#include "kernel_src/variant_plan.h"
#include "settings.h"
#include "support/catch.h"
#include "variant_source.h"

using namespace flashjit;

namespace {

const Compiler& compiler() {
  static const Compiler instance(std::make_shared<NvrtcLibrary>(read_settings().libnvrtc));
  return instance;
}

// A compilation unit of our own, to look at the compiler apart from the kernels.
VariantSource own_source(const std::string& text) {
  VariantSource source;
  source.config = *parse_variant_name("fwd_simt_fp16_d64_m64n64", {8, 0, false});
  source.name = "own";
  source.text = text;
  source.options = compile_options(source.config);
  return source;
}

constexpr const char* kSmallKernel =
    "#include \"types.h\"\n"
    "extern \"C\" __global__ void small(float* p) { p[threadIdx.x] += flashjit::ceil_div(7, 2); "
    "}\n";

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Configs that the kernels offer: every family, dtype and kind of head dim, full and causal, with
// and without LSE, that is legal on `arch`; the first `limit` of them.
std::vector<KernelConfig> sample_configs(const Arch& arch, std::size_t limit) {
  std::vector<KernelConfig> configs;
  const char* const names[] = {
      "fwd_sm80_bf16_d128_causal_lse_m64n64s2",
      "fwd_simt_fp16_d64_m64n64",
      "fwd_simt_bf16_d72v24_causal_lse_m64n64",
      "fwd_simt_fp32_d256_causal_m16n16",
      "fwd_simt_fp32_d128_lse_m32n32",
      "fwd_sm80_bf16_d8_m64n64",
      "fwd_sm80_fp16_d64_causal_m128n64s2",
      "fwd_sm80_fp16_d192v128_lse_m128n32s2w8_eager",
      "fwd_sm80_bf16_d256_m64n32",
      "fwd_standard_fp16_d64_causal_lse_m64n64",
      "fwd_standard_fp32_d256_m64n64",
      "fwd_sm90_bf16_d64_m192n128s2_pingpong",
      "fwd_sm90_fp16_d128_causal_m128n128s2",
      "fwd_sm90_bf16_d128_lse_m192n80s2",
      "fwd_sm90_bf16_d256_causal_m128n64s2q1_lazy_staged",
  };
  for (const char* name : names) {
    const std::optional<KernelConfig> config = parse_variant_name(name, arch);
    REQUIRE(config.has_value());
    if (is_legal(*config) && configs.size() < limit) configs.push_back(*config);
  }
  return configs;
}

}  // namespace

TEST_CASE("a compiled variant is a cubin with its resources") {
  const Binary binary = compiler().compile(own_source(kSmallKernel), KernelSources::embedded());
  REQUIRE(binary.code.size() > 4);
  CHECK(static_cast<char>(binary.code[1]) == 'E');
  CHECK(binary.resources.registers > 0);
  CHECK(binary.resources.spill_store_bytes == 0);
  CHECK(binary.resources.threads == 256);
  CHECK(binary.resources.dynamic_smem_bytes == 56 * 1024);
  CHECK(binary.warnings.empty());
  CHECK(binary.compile_ms > 0);
}

TEST_CASE("the same source makes the same cubin") {
  const KernelSources sources = KernelSources::embedded();
  const VariantSource source = own_source(kSmallKernel);
  CHECK(compiler().compile(source, sources).code == compiler().compile(source, sources).code);
}

TEST_CASE("spills and warnings are reported") {
  // 96 live values in 8 blocks of 256 threads of an SM: 32 registers each cannot hold them.
  const Binary binary = compiler().compile(
      own_source("extern \"C\" __global__ void __launch_bounds__(256, 8) spills(float* p) {\n"
                 "  int unused_here = 1;\n"
                 "  float x[96];\n"
                 "#pragma unroll\n"
                 "  for (int i = 0; i < 96; ++i) x[i] = p[i * 256 + threadIdx.x];\n"
                 "  __syncthreads();\n"
                 "#pragma unroll\n"
                 "  for (int i = 0; i < 96; ++i) p[i * 256 + threadIdx.x] = x[95 - i] * x[i];\n"
                 "}\n"),
      KernelSources::embedded());
  CHECK(binary.resources.spill_store_bytes > 0);
  CHECK(binary.resources.spill_load_bytes > 0);
  REQUIRE(binary.warnings.size() >= 2);
  CHECK_THAT(binary.warnings.front(), ContainsSubstring("unused_here"));
  CHECK_THAT(binary.warnings.back(), ContainsSubstring("bytes spill stores"));
}

TEST_CASE("PTX on request") {
  const std::string ptx =
      compiler().compile_to_ptx(own_source(kSmallKernel), KernelSources::embedded());
  CHECK_THAT(ptx, ContainsSubstring(".entry small("));
  CHECK_THAT(ptx, ContainsSubstring(".target sm_80"));
}

TEST_CASE("a compile error carries variant, options, log and the saved source") {
  const std::string text =
      "#include \"types.h\"\nextern \"C\" __global__ void bad() { no_such(); }\n";
  std::string path;
  try {
    compiler().compile(own_source(text), KernelSources::embedded());
    FAIL("compiled");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kCompileFailed);
    CHECK(error.variant() == "own");
    CHECK_THAT(error.compile_log(), ContainsSubstring("no_such"));
    CHECK_THAT(error.compile_log(), ContainsSubstring("own.cu(2)"));
    CHECK_THAT(error.what(), ContainsSubstring("--gpu-architecture=sm_80"));
    CHECK_THAT(error.what(), ContainsSubstring(error.source_path()));
    path = error.source_path();
  }
  REQUIRE_FALSE(path.empty());
  CHECK(text_of(path) == text);
  const std::filesystem::path dir = std::filesystem::path(path).parent_path();
  CHECK(text_of(dir / "types.h") == KernelSources::embedded().files().at("types.h"));
  CHECK_THAT(text_of(dir / "log.txt"), ContainsSubstring("no_such"));
  struct stat info = {};
  REQUIRE(stat(dir.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  std::filesystem::remove_all(dir);
}

TEST_CASE("a target that this NVRTC does not know is refused by name") {
  VariantSource source = own_source(kSmallKernel);
  source.config.arch = {.major = 7, .minor = 1};
  try {
    compiler().compile(source, KernelSources::embedded());
    FAIL("compiled");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kNoCompiler);
    CHECK_THAT(error.what(), ContainsSubstring("sm_71"));
  }
}

TEST_CASE("no NVRTC is an error that says what to install") {
  try {
    NvrtcLibrary("/no/such/libnvrtc.so");
    FAIL("opened it");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kNoCompiler);
    CHECK_THAT(error.what(), ContainsSubstring("/no/such/libnvrtc.so"));
    CHECK_THAT(error.what(), ContainsSubstring("FLASHJIT_LIBNVRTC"));
  }
}

TEST_CASE("the build tells releases apart") {
  const std::string build = compiler().build();
  CHECK(build.starts_with("nvrtc 1"));
  // Major version, then the first twelve digits of the build id.
  CHECK(build.size() - build.rfind(' ') == 13);
}

TEST_CASE("the library's file tells the build that opening it tells") {
  const NvrtcLibrary& library = compiler().library();
  const std::optional<NvrtcFile> file = find_nvrtc_file(library.path());
  REQUIRE(file);
  CHECK(file->path == library.path());
  CHECK(file->build == library.build());
  // Where the loader would search, and where the file is something else, it does not.
  CHECK_FALSE(find_nvrtc_file(""));
  CHECK_FALSE(find_nvrtc_file("libnvrtc.so.13"));
  CHECK_FALSE(find_nvrtc_file("/no/such/libnvrtc.so.13"));
  CHECK_FALSE(find_nvrtc_file("/proc/self/exe"));
}

TEST_CASE("every family, dtype and head dim compiles without warnings or spills", "[compiles]") {
  const KernelSources sources = KernelSources::embedded();
  // All of them where the families begin; elsewhere a few show that the target is understood.
  const std::pair<const char*, std::size_t> archs[] = {
      {"sm_80", 100}, {"sm_90a", 100}, {"sm_86", 2}, {"sm_89", 2}, {"sm_100a", 2}, {"sm_120", 2}};
  for (const auto& [arch, limit] : archs) {
    for (const KernelConfig& config : sample_configs(*parse_arch(arch), limit)) {
      const VariantSource source = make_variant_source(config, sources);
      const Binary binary = compiler().compile(source, sources);
      INFO(source.name << " " << arch << ": " << binary.compile_ms << " ms");
      INFO(binary.log);
      CHECK(binary.warnings.empty());
      CHECK(binary.resources.registers > 0);
      CHECK(binary.resources.spill_store_bytes == 0);
    }
  }
}
