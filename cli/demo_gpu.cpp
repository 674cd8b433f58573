// The parts of the demo that are about GPUs: all kernel families side by side where there is one,
// resources of what it would run where there is none.
#include <fmt/format.h>

#include <memory>

#include "autotune/measure.h"
#include "cli/demo.h"
#include "cli/occupancy.h"
#include "cli/variants.h"
#include "kernel_registry.h"
#include "select.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

// One kernel family on all layers.
struct FamilyRun {
  std::unique_ptr<Runtime> runtime;
  VariantInfo info;
  Accuracy worst;  // of the layer that comes closest to its bound
  std::string verdict;
};

// Nothing when the family has no kernel for these layers on this device.
std::optional<FamilyRun> run_family(Family family,
                                    Demo& demo,
                                    const CapturedLayers& captured,
                                    std::vector<Tensors>& layers) {
  FamilyRun run;
  run.runtime = std::make_unique<Runtime>(
      Options{.backend = Backend::kCuda, .device = demo.device->ordinal(), .family = family});
  try {
    run.info = run.runtime->prepare(layers[0].args());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotSupported) return std::nullopt;
    throw;
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    layers[i].provide_workspace(demo.device, *run.runtime);
    demo.run(*run.runtime, layers[i]);
    const Accuracy accuracy = captured.judge_layer(i, layers[i].output().data());
    const bool worse =
        accuracy.max_error * run.worst.max_bound > run.worst.max_error * accuracy.max_bound;
    if (i == 0 || worse || !accuracy.good()) run.worst = accuracy;
  }
  run.verdict = demo.verdict(run.worst);
  return run;
}

}  // namespace

void compare_families(Demo& demo, const CapturedLayers& captured, std::vector<Tensors>& layers) {
  std::vector<FamilyRun> runs;
  std::vector<TimedCall> calls;
  for (const Family family : {Family::kStandard, Family::kSimt, Family::kSm80, Family::kSm90}) {
    demo.report.progress(fmt::format("family {} …", to_string(family)));
    std::optional<FamilyRun> run = run_family(family, demo, captured, layers);
    if (!run) continue;
    calls.push_back(
        {to_string(family), [&layers, runtime = run->runtime.get()](CUstream stream, int set) {
           runtime->forward(layers[static_cast<std::size_t>(set)].args(), stream);
         }});
    runs.push_back(std::move(*run));
  }
  const int num_sets = static_cast<int>(layers.size());
  const Comparison comparison =
      compare_device_times(*demo.device, calls, num_sets, {.rounds = 24, .max_seconds = 1});
  Table table({{"family", "family"},
               {"variant", ""},
               {"tile", "tile"},
               {"time_us", "µs", 1},
               {"tflops", "TFLOP/s", 2},
               {"speedup", "speed-up", 1},
               {"max_error", "max error", 6},
               {"max_bound", "bound", 6},
               {"verdict", "verdict"}});
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Measurement& m = comparison.measurements[i];
    table.row({calls[i].name,
               runs[i].info.name,
               tiling_text(runs[i].info.config.tiling),
               m.median_us,
               layers[0].problem().flops() / m.median_us / 1e6,
               comparison.paired_ratio(0, i),
               runs[i].worst.max_error,
               runs[i].worst.max_bound,
               runs[i].verdict});
  }
  demo.report.value("policy", comparison.policy.text());
  demo.report.table("families",
                    "2. Every kernel family of this device on the layers below, cold L2 cache",
                    table);
}

void show_gpu_variants(Demo& demo, const AttentionProblem& problem) {
  const char* title = "2. What a GPU would run for the layers below, compiled here with NVRTC";
  const Compiler* compiler = demo.toolchain.compiler();
  if (compiler == nullptr) {
    demo.report.heading(title);
    demo.report.note("Skipped: " + demo.toolchain.compiler_error());
    return;
  }
  Table table({{"variant", "variant"},
               {"arch", "arch"},
               {"compile_ms", "ms", 0},
               {"registers", "regs"},
               {"spill_bytes", "spill"},
               {"smem_bytes", "smem B"},
               {"ctas_per_sm", "CTAs"}});
  const ValidatedProblem validated =
      validate(problem.args(nullptr, nullptr, nullptr, nullptr), false);
  constexpr Arch kAmpere{8, 0, false}, kHopper{9, 0, true};
  for (const auto& [family, arch] : {std::pair{Family::kSimt, kAmpere},
                                     std::pair{Family::kSm80, kAmpere},
                                     std::pair{Family::kSm80, kHopper},
                                     std::pair{Family::kSm90, kHopper}}) {
    const auto tiling =
        default_tiling(family, validated.problem, validated.shape, arch, usual_sm_count(arch));
    if (!tiling) continue;
    const VariantSource source =
        make_variant_source({validated.problem, *tiling, arch}, demo.toolchain.sources());
    demo.report.progress("compiling " + source.name + " …");
    const Binary binary = compiler->compile(source, demo.toolchain.sources());
    const ResourceUse& use = binary.resources;
    table.row({source.name,
               arch_name(arch),
               binary.compile_ms,
               use.registers,
               use.spill_store_bytes + use.spill_load_bytes,
               use.dynamic_smem_bytes + use.static_smem_bytes,
               occupancy(use, arch).ctas_per_sm});
  }
  demo.report.table("gpu_variants", title, table);
}

}  // namespace flashjit::cli
