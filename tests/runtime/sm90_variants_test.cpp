// Compiles the sm90 variants that the heuristic can choose: no spill, no warning of ptxas (C7510:
// wgmma serialised, C7508: setmaxnreg ignored, …), and mainloops whose descriptors stay in uniform
// registers. Each of these costs 5 – 50 % of the speed and none of them a wrong result.
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "compiler.h"
#include "kernel_registry.h"
#include "settings.h"
#include "sm90_tiling.h"
#include "support/catch.h"
#include "support/sass.h"
#include "variant_name.h"

using namespace flashjit;

namespace {

// More would be descriptors that travel through R2UR for every wgmma (13 … 48 were seen).
constexpr int kMaxR2urInMainloop = 3;

std::vector<KernelConfig> selectable_configs(const std::vector<int>& head_dims, bool every) {
  std::vector<KernelConfig> configs;
  for (const int head_dim : head_dims) {
    for (const MaskKind mask : {MaskKind::kNone, MaskKind::kCausal}) {
      for (const bool lse : {false, true}) {
        // The LSE changes the epilogue only (and row_sum_by_mma): one of the two is enough.
        if (!every && lse != (mask == MaskKind::kCausal)) continue;
        const Problem problem = {.dtype = lse ? Dtype::kFp16 : Dtype::kBf16,
                                 .head_dim_qk = head_dim,
                                 .head_dim_v = head_dim == 192 ? 128 : head_dim,
                                 .mask = mask,
                                 .return_lse = lse};
        for (const Tiling& tiling : sm90_default_candidates(problem))
          configs.push_back({problem, tiling, {9, 0, true}});
      }
    }
  }
  return configs;
}

// What is wrong with a variant, or "".
std::string find_faults(const KernelConfig& config,
                        const Compiler& compiler,
                        const std::filesystem::path& nvdisasm) {
  const KernelSources sources = KernelSources::embedded();
  const Binary binary = compiler.compile(make_variant_source(config, sources), sources);
  std::string faults;
  for (const std::string& warning : binary.warnings) faults += warning + "\n";
  const ResourceUse& use = binary.resources;
  if (use.spill_store_bytes + use.spill_load_bytes + use.stack_bytes > 0) faults += "it spills\n";
  if (nvdisasm.empty()) return faults;
  const std::vector<test::GemmLoop> loops =
      test::find_gemm_loops(test::disassemble(nvdisasm, binary.code));
  // Under a mask a masked loop and a steady one, in this order.
  const std::size_t expected = config.problem.mask == MaskKind::kNone ? 1 : 2;
  if (loops.size() < expected) return faults + "no mainloop with HGMMA was found\n";
  for (const test::GemmLoop& loop : loops) {
    if (loop.r2ur > kMaxR2urInMainloop)
      faults += std::to_string(loop.r2ur) + " R2UR in a mainloop\n";
    if (loop.local_memory > 0) faults += "local memory in a mainloop\n";
  }
  return faults;
}

void check_configs(const std::vector<KernelConfig>& configs) {
  const char* path = std::getenv("FLASHJIT_LIBNVRTC");
  const Compiler compiler(std::make_shared<NvrtcLibrary>(path != nullptr ? path : ""));
  const Settings settings = read_settings();
  const std::filesystem::path nvdisasm = settings.nvdisasm.empty()
                                             ? find_program("nvdisasm")
                                             : std::filesystem::path(settings.nvdisasm);
  if (nvdisasm.empty()) WARN("no nvdisasm: mainloops are not looked at");

  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::string faults;
  std::vector<std::jthread> workers;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
    workers.emplace_back([&] {
      for (std::size_t at = next++; at < configs.size(); at = next++) {
        std::string found;
        try {
          found = find_faults(configs[at], compiler, nvdisasm);
        } catch (const std::exception& error) {
          found = error.what();
        }
        const std::lock_guard lock(mutex);
        if (!found.empty()) faults += variant_name(configs[at]) + ": " + found + "\n";
      }
    });
  }
  workers.clear();
  CHECK_THAT(faults, Catch::Matchers::Equals(""));
}

}  // namespace

TEST_CASE("default sm90 variants of usual head dims compile as they should") {
  check_configs(selectable_configs({64, 80, 128, 192, 256}, false));
}

// Minutes on a small machine: runtime_tests "[every]".
TEST_CASE("default sm90 variants of every head dim compile as they should", "[.][every]") {
  std::vector<int> head_dims;
  for (int head_dim = 8; head_dim <= 256; head_dim += 8) head_dims.push_back(head_dim);
  check_configs(selectable_configs(head_dims, true));
}

TEST_CASE("the lint sees loops, descriptor moves and spills") {
  const std::string sass =
      ".L_x_1:\n"
      "        /*0010*/                   MOV R1, R2 ;\n"
      ".L_x_2:\n"
      "        /*0020*/                   R2UR UR4, R3 ;\n"
      "        /*0030*/              @!P0 LDL R4, [R1] ;\n"
      "        /*0040*/                   HGMMA.64x80x16.F32.BF16 R24, gdesc[UR8], R24 ;\n"
      "        /*0050*/               @P1 BRA `(.L_x_2) ;\n"
      "        /*0060*/                   R2UR UR5, R3 ;\n"
      "        /*0070*/                   BRA `(.L_x_1) ;\n";
  const std::vector<test::GemmLoop> loops = test::find_gemm_loops(sass);
  REQUIRE(loops.size() == 1);
  CHECK(loops[0].instructions == 4);
  CHECK(loops[0].hgmma == 1);
  CHECK(loops[0].r2ur == 1);
  CHECK(loops[0].local_memory == 1);
}
