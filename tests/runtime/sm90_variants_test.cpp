// Compiles the sm90 variants that the heuristic can choose: no spill, no warning of ptxas (C7510:
// wgmma serialised, C7508: setmaxnreg ignored, …), and mainloops whose descriptors stay in uniform
// registers. Each of these costs 5 – 50 % of the speed and none of them a wrong result.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "compiler.h"
#include "kernel_registry.h"
#include "kernel_src/sm90/plan.h"
#include "settings.h"
#include "sm90_tiling.h"
#include "support/catch.h"
#include "support/sass.h"
#include "variant_name.h"

using namespace flashjit;

namespace {

// More would be descriptors that travel through R2UR for every wgmma (13 … 48 were seen).
constexpr int kMaxR2urInMainloop = 3;

// The tilings that default_sm90_tiling() returns for any shape: from one row to 32k, from one head
// to what fills a GPU many times.
std::vector<Tiling> chosen_tilings(const Problem& problem) {
  std::vector<Tiling> chosen;
  for (int seqlen = 1; seqlen <= 32768; seqlen *= 2) {
    for (int pairs = 1; pairs <= 2048; pairs *= 2) {
      ProblemShape shape;
      shape.batch = 1;
      shape.num_heads_q = shape.num_heads_kv = pairs;
      shape.seqlen_q = shape.seqlen_kv = seqlen;
      const Tiling tiling = default_sm90_tiling(problem, shape, {9, 0, true}, 132).value();
      if (std::find(chosen.begin(), chosen.end(), tiling) == chosen.end()) chosen.push_back(tiling);
    }
  }
  return chosen;
}

Problem problem_of(int head_dim, MaskKind mask, bool lse, Dtype dtype) {
  return {.dtype = dtype,
          .head_dim_qk = head_dim,
          .head_dim_v = head_dim == 192 ? 128 : head_dim,
          .mask = mask,
          .return_lse = lse};
}

void append_chosen(std::vector<KernelConfig>& configs, const Problem& problem) {
  for (const Tiling& tiling : chosen_tilings(problem))
    configs.push_back({problem, tiling, {9, 0, true}});
}

// The LSE changes the epilogue only (and row_sum_by_mma), the dtype only names of instructions: one
// of the two each is enough.
std::vector<KernelConfig> configs_of(const std::vector<int>& head_dims) {
  std::vector<KernelConfig> configs;
  for (const int head_dim : head_dims) {
    append_chosen(configs, problem_of(head_dim, MaskKind::kNone, false, Dtype::kBf16));
    append_chosen(configs, problem_of(head_dim, MaskKind::kCausal, true, Dtype::kFp16));
  }
  return configs;
}

constexpr int kUsual[] = {64, 80, 128, 192, 256};

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
  // With fewer the launch holds less than setmaxnreg hands out, and a consumer waits for ever.
  const int launch_regs = sm90_launch_regs(sm90_num_warpgroups(config.tiling) + 1);
  if (config.tiling.consumer_regs != 0 && use.registers != launch_regs) {
    faults += std::to_string(use.registers) + " registers at launch, setmaxnreg counts on " +
              std::to_string(launch_regs) + "\n";
  }
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

TEST_CASE("default sm90 variants of usual head dims compile as they should", "[compiles]") {
  check_configs(configs_of({std::begin(kUsual), std::end(kUsual)}));
}

// What the turns below leave out and the table of docs/hopper.md names.
TEST_CASE("default sm90 variants between the usual head dims compile as they should",
          "[compiles]") {
  std::vector<KernelConfig> configs;
  for (const int head_dim : {72, 80, 88, 96, 112, 160})
    append_chosen(configs, problem_of(head_dim, MaskKind::kCausal, false, Dtype::kBf16));
  for (const MaskKind mask : {MaskKind::kNone, MaskKind::kCausal}) {
    append_chosen(configs, {Dtype::kBf16, 192, 192, mask, false});
    append_chosen(configs, {Dtype::kBf16, 128, 96, mask, false});
  }
  check_configs(configs);
}

// Masks, LSE and dtypes take turns from head dim to head dim, so that a small machine can do it.
TEST_CASE("default sm90 variants of all other head dims compile as they should", "[compiles]") {
  std::vector<KernelConfig> configs;
  for (int head_dim = 8; head_dim <= 256; head_dim += 8) {
    if (std::find(std::begin(kUsual), std::end(kUsual), head_dim) != std::end(kUsual)) continue;
    const int turn = head_dim / 8;
    append_chosen(configs,
                  problem_of(head_dim,
                             turn % 2 ? MaskKind::kCausal : MaskKind::kNone,
                             turn / 2 % 2 != 0,
                             turn / 4 % 2 ? Dtype::kFp16 : Dtype::kBf16));
  }
  check_configs(configs);
}

// All of them with everything: minutes on a small machine. runtime_tests "[every]".
TEST_CASE("default sm90 variants of every problem compile as they should", "[.][every]") {
  std::vector<KernelConfig> configs;
  for (int head_dim = 8; head_dim <= 256; head_dim += 8) {
    for (const MaskKind mask : {MaskKind::kNone, MaskKind::kCausal}) {
      for (const bool lse : {false, true}) {
        for (const Dtype dtype : {Dtype::kBf16, Dtype::kFp16})
          append_chosen(configs, problem_of(head_dim, mask, lse, dtype));
      }
    }
  }
  check_configs(configs);
}

TEST_CASE("what is chosen is among the candidates, and shapes make a difference") {
  for (int head_dim = 8; head_dim <= 256; head_dim += 8) {
    for (const MaskKind mask : {MaskKind::kNone, MaskKind::kCausal}) {
      CAPTURE(head_dim, mask == MaskKind::kCausal);
      const Problem problem = problem_of(head_dim, mask, false, Dtype::kBf16);
      const std::vector<Tiling> all = sm90_default_candidates(problem);
      const std::vector<Tiling> chosen = chosen_tilings(problem);
      CHECK(chosen.size() >= 2);
      for (const Tiling& tiling : chosen)
        CHECK(std::find(all.begin(), all.end(), tiling) != all.end());
    }
  }
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
