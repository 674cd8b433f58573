// `flashjit analyze`: what attention costs by formula, standard and flash, beside what this machine
// measures for the standard, the minimal and the optimised kernels.
#include <fmt/format.h>
#include <algorithm>
#include <memory>
#include "variant_name.h"

#include "autotune/measure.h"
#include "cli/program.h"
#include "cli/tensors.h"
#include "cli/variants.h"

namespace flashjit::cli {
namespace {

struct AnalyzeOptions {
  ProblemFlags problem{{.dtype = Dtype::kFp16,
                        .batch = 4,
                        .seqlen_q = 4096,
                        .seqlen_kv = 4096,
                        .num_heads_q = 16,
                        .num_heads_kv = 16,
                        .head_dim = 64}};
  int device = 0;
  bool formulas_only = false;
};

constexpr int kSeqlens[] = {512, 1024, 2048, 4096, 8192};
constexpr double kMib = 1 << 20;

// By formula, of all batches and heads together, in bytes: what is moved through global memory, and
// what is stored. standard: Q, K, V and O once and the S×S matrix twice: S(3D + 2S) elements with O
// among the 3D of the inputs' counting; flash: Q, K, V and O once: 4·S·D elements.
struct Formulas {
  double flops = 0, standard_bytes = 0, flash_bytes = 0, standard_memory = 0, flash_memory = 0;

  double intensity(double bytes) const { return flops / bytes; }
};

Formulas formulas(const AttentionProblem& problem) {
  const double heads = 1.0 * problem.batch * problem.num_heads_q * size_of(problem.dtype);
  const double sq = problem.seqlen_q, skv = problem.seqlen_kv, d = problem.head_dim;
  Formulas f;
  f.flops = problem.flops();
  f.standard_bytes = heads * (sq * d + 2 * skv * d + 2 * sq * skv);
  f.flash_bytes = problem.tensor_bytes();
  f.standard_memory = f.flash_bytes + heads * sq * skv;
  f.flash_memory = f.flash_bytes;
  return f;
}

void show_formulas(const AttentionProblem& problem, Report& report) {
  const Formulas f = formulas(problem);
  const auto mib = [](double bytes) { return fmt::format("{:.1f} MiB", bytes / kMib); };
  report.facts(
      "formulas",
      "By formula: " + describe(problem),
      {{"flops",
        "FLOPs",
        fmt::format(
            "{:.2f} G  = 4·S²·D·B·H{}", f.flops / 1e9, problem.causal ? ", visible part" : ""),
        f.flops},
       {"standard_bytes",
        "bytes moved, standard",
        mib(f.standard_bytes) + "  = S(3D + 2S) elements per head",
        f.standard_bytes},
       {"flash_bytes",
        "bytes moved, flash",
        mib(f.flash_bytes) + "  = 4·S·D elements per head",
        f.flash_bytes},
       {"standard_intensity",
        "intensity, standard",
        fmt::format("{:.0f} FLOP/B", f.intensity(f.standard_bytes)),
        f.intensity(f.standard_bytes)},
       {"flash_intensity",
        "intensity, flash",
        fmt::format("{:.0f} FLOP/B, about S = {} in units of 2-byte elements moved",
                    f.intensity(f.flash_bytes),
                    problem.seqlen_kv),
        f.intensity(f.flash_bytes)},
       {"theoretical_speedup",
        "theoretical speed-up",
        fmt::format("{:.1f} ×  = (3D + 2S) / 4D, where bytes are all that counts",
                    f.standard_bytes / f.flash_bytes),
        f.standard_bytes / f.flash_bytes}});
}

struct Kernel {
  Family family;
  std::unique_ptr<Runtime> runtime;
  const char* role;
};

std::vector<Kernel> make_kernels(int device) {
  std::vector<Kernel> kernels;
  for (const auto& [family, role] : {std::pair{Family::kStandard, "standard"},
                                     std::pair{Family::kSimt, "minimal"},
                                     std::pair{Family::kSm80, "optimised"},
                                     std::pair{Family::kSm90, "optimised"}}) {
    const Options options{.backend = Backend::kCuda, .device = device, .family = family};
    kernels.push_back({family, std::make_unique<Runtime>(options), role});
  }
  return kernels;
}

// The measured row of one kernel; null cells where it cannot run.
struct Row {
  std::string kernel, role, error;
  double time_us = 0, tflops = 0, bytes = 0, peak_bytes = 0;
};

std::vector<Row> measure_problem(const AttentionProblem& problem,
                                 const Device& device,
                                 std::vector<Kernel>& kernels) {
  Tensors tensors(&device, problem, 7);
  std::vector<TimedCall> calls;
  std::vector<Row> rows;
  for (Kernel& kernel : kernels) {
    Row row{to_string(kernel.family), kernel.role, ""};
    const Formulas f = formulas(problem);
    row.bytes = kernel.family == Family::kStandard ? f.standard_bytes : f.flash_bytes;
    try {
      row.peak_bytes = problem.tensor_bytes() +
                       static_cast<double>(kernel.runtime->workspace_bytes(tensors.args()));
      tensors.provide_workspace(&device, *kernel.runtime);
    } catch (const Error& error) {
      row.error = error.what();
    }
    calls.push_back({row.kernel, [&tensors, runtime = kernel.runtime.get()](CUstream stream, int) {
                       runtime->forward(tensors.args(), stream);
                     }});
    rows.push_back(std::move(row));
  }
  const Comparison comparison = compare_device_times(device, calls, 1, {.max_seconds = 2});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Measurement& m = comparison.measurements[i];
    rows[i].error = m.error;
    rows[i].time_us = m.median_us;
    if (m.error.empty()) rows[i].tflops = problem.flops() / m.median_us / 1e6;
  }
  return rows;
}

const Row* find_row(const std::vector<Row>& rows, const std::string& kernel) {
  const auto it = std::find_if(rows.begin(), rows.end(), [&](const Row& row) {
    return row.kernel == kernel && row.time_us > 0;
  });
  return it != rows.end() ? &*it : nullptr;
}

Json ratio(const Row* above, const Row& below) {
  return above != nullptr && below.time_us > 0 ? Json(above->time_us / below.time_us) : Json();
}

void show_measured(const AttentionProblem& problem,
                   const std::vector<Row>& rows,
                   const std::string& device,
                   Report& report) {
  Table table({{"kernel", "kernel"},
               {"role", "role"},
               {"time_us", "µs", 1},
               {"tflops", "TFLOP/s", 2},
               {"speedup", "× standard", 2},
               {"share_of_sm80", "of sm80 %", 1},
               {"bytes", ""},
               {"gb_per_s", "GB/s", 0},
               {"peak_bytes", ""},
               {"peak_mib", "peak MiB", 1},
               {"error", ""}});
  const Row* standard = find_row(rows, "standard");
  const Row* sm80 = find_row(rows, "sm80");
  for (const Row& row : rows) {
    const bool good = row.time_us > 0;
    const auto number = [good](double value) { return good ? Json(value) : Json(); };
    const Json share = ratio(sm80, row);
    table.row({row.kernel,
               row.role,
               number(row.time_us),
               number(row.tflops),
               ratio(standard, row),
               share.is_null() ? share : Json(100 * share.get<double>()),
               row.bytes,
               number(row.bytes / row.time_us / 1e3),
               number(row.peak_bytes),
               number(row.peak_bytes / kMib),
               row.error});
  }
  report.table("measured", fmt::format("Measured on {}: {}", device, describe(problem)), table);
  for (const Row& row : rows) {
    if (!row.error.empty()) report.note(row.kernel + ": " + row.error);
  }
}

// Memory and, with a device, time over the sequence lengths of the document.
void show_sweep(AttentionProblem problem,
                const Device* device,
                std::vector<Kernel>& kernels,
                Report& report) {
  Table table({{"seqlen", "S"},
               {"standard_mib", "std MiB", 1},
               {"flash_mib", "flash MiB", 1},
               {"standard_measured_mib", "std used", 1},
               {"flash_measured_mib", "flash used", 1},
               {"theoretical_speedup", "bytes ×", 1},
               {"standard_us", "std µs", 0},
               {"simt_us", "simt µs", 0},
               {"sm80_us", "sm80 µs", 0},
               {"sm90_us", "sm90 µs", 0},
               {"speedup", "best ×", 1}});
  for (const int seqlen : kSeqlens) {
    problem.seqlen_q = problem.seqlen_kv = seqlen;
    report.progress(fmt::format("S = {} …", seqlen));
    const Formulas f = formulas(problem);
    std::vector<Row> rows;
    if (device != nullptr) rows = measure_problem(problem, *device, kernels);
    const auto time = [&](const char* kernel) {
      const Row* row = find_row(rows, kernel);
      return row != nullptr ? Json(row->time_us) : Json();
    };
    const auto peak = [&](const char* kernel) {
      const Row* row = find_row(rows, kernel);
      return row != nullptr ? Json(row->peak_bytes / kMib) : Json();
    };
    const Row* standard = find_row(rows, "standard");
    const Row* best = nullptr;
    for (const Row& row : rows) {
      if (row.time_us > 0 && (best == nullptr || row.time_us < best->time_us)) best = &row;
    }
    table.row({seqlen,
               f.standard_memory / kMib,
               f.flash_memory / kMib,
               peak("standard"),
               peak("simt"),
               f.standard_bytes / f.flash_bytes,
               time("standard"),
               time("simt"),
               time("sm80"),
               time("sm90"),
               best != nullptr ? ratio(standard, *best) : Json()});
  }
  report.table(
      "sweep",
      "Memory by formula and used (tensors and workspace), and time, over the sequence length",
      table);
}

// What stands in for the GPU where there is none.
void measure_cpu(AttentionProblem problem, Report& report) {
  problem.batch = 1;
  problem.seqlen_q = problem.seqlen_kv = std::min(problem.seqlen_q, 1024);
  Runtime runtime(Options{.backend = Backend::kCpu});
  Tensors tensors(nullptr, problem, 7);
  const Measurement m = measure_wall_time(
      "cpu", [&] { runtime.forward(tensors.args()); }, 3);
  Row row{"cpu", "CPU backend", "", m.median_us, problem.flops() / m.median_us / 1e6};
  row.bytes = row.peak_bytes = problem.tensor_bytes();
  show_measured(problem, {row}, runtime.device().name, report);
}

int run_analyze(const AnalyzeOptions& options, Report& report) {
  const AttentionProblem problem = options.problem.problem();
  show_formulas(problem, report);
  std::string why_not = "--formulas was given";
  std::unique_ptr<GpuSession> gpu;
  if (!options.formulas_only) gpu = try_gpu(read_settings(), options.device, why_not);
  if (!gpu) {
    std::vector<Kernel> none;
    show_sweep(problem, nullptr, none, report);
    if (!options.formulas_only) measure_cpu(problem, report);
    report.note("No kernel was measured on a GPU: " + why_not);
    return kExitOk;
  }
  std::vector<Kernel> kernels = make_kernels(options.device);
  report.value("device", gpu->device().info().name);
  report.value("policy", MeasurePolicy{}.text());
  show_measured(
      problem, measure_problem(problem, gpu->device(), kernels), gpu->device().info().name, report);
  show_sweep(problem, &gpu->device(), kernels, report);
  report.note(
      "simt is the minimal kernel; its share of sm80 is the row's own measurement. Speed-up by "
      "bytes is an upper "
      "bound where a kernel is bound by memory; a compute-bound kernel gains less. " +
      MeasurePolicy{}.text() + ".");
  return kExitOk;
}

}  // namespace

void add_analyze(Program& program) {
  auto options = std::make_shared<AnalyzeOptions>();
  CLI::App& command =
      add_command(program,
                  "analyze",
                  "Cost of attention by formula beside measured numbers",
                  [options](Report& report) { return run_analyze(*options, report); });
  options->problem.add_to(command);
  command.add_option("--device", options->device, "CUDA device")->check(CLI::NonNegativeNumber);
  command.add_flag("--formulas", options->formulas_only, "Measure nothing");
}

}  // namespace flashjit::cli
