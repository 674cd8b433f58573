// `flashjit demo`: the main job, end to end: a first attention per dtype against fp64, then the
// attention layers of a real transformer against the model's own output. Without a GPU the kernels
// are still compiled and shown, and the numbers come from the CPU backend.
#include "cli/demo.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <set>

#include "autotune/measure.h"
#include "cli/program.h"
#include "cli/variants.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

struct DemoOptions {
  std::string data, backend = "auto";
  int device = 0;
};

// Short, for tables of a terminal's width.
std::string kernel_text(const VariantInfo& info) {
  if (info.cache_key.empty()) return info.name;  // the CPU backend has no variants
  const Tiling& tiling = info.config.tiling;
  return fmt::format("{} {}", to_string(tiling.family), tiling_text(tiling));
}

double ready_ms(const VariantInfo& info) {
  return info.origin == VariantOrigin::kCompiled ? info.compile_ms : info.load_ms;
}

// Microseconds of one forward: device time on a GPU, wall time on the host.
double time_us(const Demo& demo, Runtime& runtime, Tensors& tensors) {
  if (demo.device == nullptr) {
    return measure_wall_time(
               "forward", [&] { runtime.forward(tensors.args()); }, 5)
        .median_us;
  }
  const TimedCall call{"forward",
                       [&](CUstream stream, int) { runtime.forward(tensors.args(), stream); }};
  return compare_device_times(*demo.device, {&call, 1}, 1, {.max_seconds = 0.3, .warmup_ms = 5})
      .measurements[0]
      .median_us;
}

void run_first_problems(Demo& demo, Runtime& runtime) {
  Table table({{"dtype", "dtype"},
               {"variant", ""},
               {"kernel", "kernel"},
               {"origin", "origin"},
               {"ready_ms", "ready ms", 1},
               {"max_error", "max error", 7},
               {"max_bound", "bound", 7},
               {"verdict", "verdict"}});
  AttentionProblem problem{.dtype = Dtype::kFp16,
                           .batch = 1,
                           .seqlen_q = 113,
                           .seqlen_kv = 257,
                           .num_heads_q = 4,
                           .num_heads_kv = 2,
                           .head_dim = 64,
                           .causal = true};
  for (const Dtype dtype : {Dtype::kFp16, Dtype::kBf16, Dtype::kFp32}) {
    problem.dtype = dtype;
    demo.report.progress(fmt::format("first {} attention …", to_string(dtype)));
    const auto q = random_elements(dtype, problem.q_elements(), 1);
    const auto k = random_elements(dtype, problem.kv_elements(), 2);
    const auto v = random_elements(dtype, problem.kv_elements(), 3);
    Tensors tensors(demo.device, problem, q.data(), k.data(), v.data());
    const VariantInfo info = runtime.prepare(tensors.args());
    demo.run(runtime, tensors);
    const std::vector<double> exact = exact_attention(problem, q.data(), k.data(), v.data());
    const std::vector<double> low = low_precision_attention(problem, q.data(), k.data(), v.data());
    const Accuracy accuracy =
        judge(tensors.output().data(), dtype, exact, rounding_bounds(dtype, exact, low));
    table.row({to_string(dtype),
               info.name,
               kernel_text(info),
               to_string(info.origin),
               ready_ms(info),
               accuracy.max_error,
               accuracy.max_bound,
               demo.verdict(accuracy)});
  }
  demo.report.table(
      "first",
      "1. First attention per dtype: 113 queries, 257 keys, 4 heads over 2, causal, against fp64",
      table);
}

void run_layers(Demo& demo,
                Runtime& runtime,
                const CapturedLayers& captured,
                std::vector<Tensors>& layers) {
  Table table({{"layer", "layer"},
               {"variant", ""},
               {"kernel", "kernel"},
               {"origin", "origin"},
               {"ready_ms", "ready ms", 1},
               {"max_error", "max error", 6},
               {"max_bound", "bound", 6},
               {"verdict", "verdict"},
               {"time_us", "µs", 1},
               {"tflops", "TFLOP/s", demo.device != nullptr ? 2 : 4}});
  std::set<std::string> names;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    demo.report.progress("running " + captured.layers()[i].name + " …");
    const VariantInfo info = runtime.prepare(layers[i].args());
    layers[i].provide_workspace(demo.device, runtime);
    demo.run(runtime, layers[i]);
    const Accuracy accuracy = captured.judge_layer(i, layers[i].output().data());
    const double us = time_us(demo, runtime, layers[i]);
    names.insert(info.name);
    table.row({captured.layers()[i].name,
               info.name,
               kernel_text(info),
               to_string(info.origin),
               ready_ms(info),
               accuracy.max_error,
               accuracy.max_bound,
               demo.verdict(accuracy),
               us,
               layers[i].problem().flops() / us / 1e6});
  }
  demo.report.heading(
      "3. Attention of all-MiniLM-L6-v2 on a page of English, against the model's own output");
  if (demo.device != nullptr)
    demo.report.line(fmt::format("  variant: {}", fmt::join(names, ", ")));
  demo.report.table("layers", "", table);
}

int run_demo(const DemoOptions& options, Report& report) {
  Toolchain toolchain;
  const Backend backend = options.backend == "cuda"  ? Backend::kCuda
                          : options.backend == "cpu" ? Backend::kCpu
                                                     : Backend::kAuto;
  Runtime runtime(Options{.backend = backend, .device = options.device});
  std::unique_ptr<GpuSession> gpu;
  if (runtime.backend() == Backend::kCuda)
    gpu = std::make_unique<GpuSession>(toolchain.settings(), options.device);
  Demo demo{report, toolchain, gpu ? &gpu->device() : nullptr};
  report.value("device", runtime.device().name);
  report.line(fmt::format("flashjit {} on {}{}",
                          version(),
                          runtime.device().name,
                          gpu ? "" : ": no GPU is used, numbers come from the CPU backend"));
  run_first_problems(demo, runtime);

  const std::filesystem::path path = find_captured_layers(options.data);
  report.progress("reading the captured layers …");
  const CapturedLayers captured(path);
  std::vector<Tensors> layers;
  for (const CapturedLayer& layer : captured.layers()) {
    layers.emplace_back(demo.device, layer.problem, layer.q, layer.k, layer.v);
  }
  if (gpu) {
    compare_families(demo, captured, layers);
  } else {
    show_gpu_variants(demo, captured.layers()[0].problem);
  }
  run_layers(demo, runtime, captured, layers);
  report.value("within_bounds", demo.broken_bounds == 0);
  report.note(demo.broken_bounds == 0
                  ? fmt::format("All results are within their bounds. Layers: {}.",
                                describe(captured.layers()[0].problem))
                  : fmt::format("{} results are OUT OF THEIR BOUNDS.", demo.broken_bounds));
  return demo.broken_bounds == 0 ? kExitOk : kExitFailure;
}

}  // namespace

void Demo::run(Runtime& runtime, Tensors& tensors) const {
  runtime.forward(tensors.args());
  if (device != nullptr) device->driver().check(device->driver().stream_synchronize(nullptr));
}

std::string Demo::verdict(const Accuracy& accuracy) {
  broken_bounds += accuracy.good() ? 0 : 1;
  return accuracy.good() ? "ok" : "BROKEN";
}

void add_demo(Program& program) {
  auto options = std::make_shared<DemoOptions>();
  CLI::App& command = add_command(program,
                                  "demo",
                                  "Run attention of a real transformer and judge every number",
                                  [options](Report& report) { return run_demo(*options, report); });
  command.add_option("--data",
                     options->data,
                     "Captured layers, a safetensors file; default: the one that comes along");
  command.add_option("--device", options->device, "CUDA device")->check(CLI::NonNegativeNumber);
  command.add_option("--backend", options->backend, "auto, cuda or cpu")
      ->check(CLI::IsMember({"auto", "cuda", "cpu"}));
}

}  // namespace flashjit::cli
