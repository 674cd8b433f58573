// `flashjit bench`: time, TFLOP/s and GB/s of problems on a GPU, or the 36-point grid; with --host
// what a call costs the host, warm and cold.
#include <fmt/format.h>

#include <memory>

#include "autotune/measure.h"
#include "cli/bench_compile.h"
#include "cli/bench_host.h"
#include "cli/bench_ladder.h"
#include "cli/bench_start.h"
#include "cli/bench_tuned.h"
#include "cli/option_checks.h"
#include "cli/problem_sets.h"
#include "cli/program.h"
#include "cli/result_file.h"
#include "cli/tensors.h"
#include "cli/toolchain.h"
#include "cli/variants.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

struct BenchOptions {
  ProblemFlags problem{{.dtype = Dtype::kBf16,
                        .batch = 4,
                        .seqlen_q = 4096,
                        .seqlen_kv = 4096,
                        .num_heads_q = 16,
                        .num_heads_kv = 16,
                        .head_dim = 128}};
  std::vector<std::string> families;
  std::string variant;
  int device = 0;
  bool grid = false, host = false, warm_l2 = false, tuned_grid = false, ladder = false,
       compile = false;
  BenchTunedOptions tuned;
  std::vector<int> head_dims{64, 80, 128, 192, 256};
  std::string start, start_cache;  // this process is one of --host's own
  MeasurePolicy policy;
};

std::string kernel_text(const Tiling& tiling) {
  return fmt::format("{} {}", to_string(tiling.family), tiling_text(tiling));
}

// One runtime for each forced family; one that chooses freely when none is named.
struct Contender {
  std::string name;
  std::unique_ptr<Runtime> runtime;
};

std::vector<Contender> make_contenders(const BenchOptions& options, const Arch& arch) {
  std::vector<Contender> contenders;
  Options base{.backend = Backend::kCuda, .device = options.device};
  if (!options.variant.empty()) {
    base.tiling = require_variant(options.variant, arch).tiling;
    contenders.push_back({"forced", std::make_unique<Runtime>(base)});
    return contenders;
  }
  for (const std::string& family : options.families) {
    base.family = parse_family(family);
    contenders.push_back({family, std::make_unique<Runtime>(base)});
  }
  if (contenders.empty()) contenders.push_back({"auto", std::make_unique<Runtime>(base)});
  return contenders;
}

Table bench_table() {
  return Table({{"dtype", "dtype"},
                {"head_dim", "D"},
                {"causal", "causal"},
                {"seqlen_q", "Sq"},
                {"seqlen_kv", ""},
                {"batch", "B"},
                {"heads", "H"},
                {"kv_heads", ""},
                {"variant", ""},
                {"kernel", "kernel"},
                {"selected_by", ""},
                {"time_us", "µs", 1},
                {"spread_us", "±", 1},
                {"tflops", "TFLOP/s", 1},
                {"bytes", ""},
                {"gb_per_s", "GB/s", 0},
                {"sm_clock_mhz", "MHz", 0},
                {"error", ""}});
}

// Adds a row for each contender; one that cannot run the problem is a row with its error.
void bench_problem(const AttentionProblem& problem,
                   const Device& device,
                   std::vector<Contender>& contenders,
                   const MeasurePolicy& policy,
                   Table& table) {
  constexpr int kSets = 2;
  std::vector<Tensors> sets;
  for (unsigned i = 0; i < kSets; ++i) sets.emplace_back(&device, problem, i);
  std::vector<TimedCall> calls;
  for (const Contender& contender : contenders) {
    calls.push_back(
        {contender.name, [&sets, runtime = contender.runtime.get()](CUstream stream, int set) {
           runtime->forward(sets[static_cast<std::size_t>(set)].args(), stream);
         }});
    try {
      for (Tensors& tensors : sets) tensors.provide_workspace(&device, *contender.runtime);
    } catch (const Error& error) {
      calls.back().enqueue = [error](CUstream, int) { throw error; };
    }
  }
  const Comparison comparison = compare_device_times(device, calls, kSets, policy);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const Measurement& m = comparison.measurements[i];
    const bool good = m.error.empty();
    const VariantInfo info = good ? contenders[i].runtime->prepare(sets[0].args()) : VariantInfo{};
    const auto number = [good](double value) { return good ? Json(value) : Json(); };
    table.row({to_string(problem.dtype),
               problem.head_dim,
               problem.causal,
               problem.seqlen_q,
               problem.seqlen_kv,
               problem.batch,
               problem.num_heads_q,
               problem.num_heads_kv,
               good ? Json(info.name) : Json(),
               good ? kernel_text(info.config.tiling) : contenders[i].name + ": cannot run",
               info.selected_by,
               number(m.median_us),
               number(m.spread_us),
               number(problem.flops() / m.median_us / 1e6),
               problem.tensor_bytes(),
               number(problem.tensor_bytes() / m.median_us / 1e3),
               comparison.sm_clock_mhz > 0 ? Json(comparison.sm_clock_mhz) : Json(),
               m.error});
  }
}

const OptionNames kMeasuring = {"--family", "--variant", "--rounds", "--seconds", "--warm-l2"};
const OptionNames kModes = {"--grid", "--tuned-grid", "--ladder", "--compile", "--host"};

void exclude_what_would_be_ignored(CLI::App& command) {
  for (std::size_t i = 0; i < kModes.size(); ++i)
    exclude(command, {kModes[i]}, {kModes.begin() + std::ptrdiff_t(i) + 1, kModes.end()});
  exclude(command, kProblemOptions, {"--grid", "--tuned-grid", "--compile"});
  exclude(command, {"--dtype", "--device"}, {"--compile"});
  exclude(command, kMeasuring, {"--tuned-grid", "--compile", "--host"});
  // The ladder takes its points from --seqlen alone.
  exclude(command,
          {"--ladder"},
          {"--batch",
           "--heads",
           "--kv-heads",
           "--seqlen-kv",
           "--head-dim",
           "--causal",
           "--family",
           "--variant"});
  exclude(command, {"--family"}, {"--variant"});
  exclude(command, {"--out"}, {"--grid", "--host"});
  command.get_option("--records")->needs(command.get_option("--tuned-grid"));
  command.parse_complete_callback([&command] {
    if (!has_any(command, kModes)) refuse(command, {"--out"}, "measuring one problem");
  });
}

// Throws Error(kNoDriver) that says what can be done without a GPU.
std::unique_ptr<GpuSession> open_gpu(const Settings& settings, int ordinal) {
  try {
    return std::make_unique<GpuSession>(settings, ordinal);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNoDriver) throw;
    throw Error(error.code(),
                fmt::format("{}\nWithout a GPU: `flashjit bench --compile` times the compiler, and "
                            "`flashjit analyze` counts what attention costs and times the CPU "
                            "backend",
                            error.what()));
  }
}

int run_bench(const BenchOptions& options, Report& report) {
  if (!options.start.empty())
    return run_start(
        {options.start, options.problem.problem(), options.device, options.start_cache}, report);
  if (options.tuned_grid) {
    BenchTunedOptions tuned = options.tuned;
    tuned.device = options.device;
    return bench_tuned(tuned, options.problem.problem().dtype, report);
  }
  if (!options.tuned.out.empty()) require_output_file(options.tuned.out);
  if (options.compile) return bench_compile(options.head_dims, options.tuned.out, report);
  const Settings settings = read_settings();
  const std::unique_ptr<GpuSession> gpu = open_gpu(settings, options.device);
  const Device& device = gpu->device();
  report.value("device", device.info().name);
  report.value("driver_version", device.info().driver_version);
  report.value("date", today());
  const AttentionProblem problem = options.problem.problem();
  if (options.host) return bench_host(problem, device, report);
  MeasurePolicy policy = options.policy;
  policy.cold_l2 = !options.warm_l2;
  if (options.ladder) return bench_ladder(problem, device, policy, options.tuned.out, report);
  std::vector<Contender> contenders = make_contenders(options, device.info().arch);
  const std::vector<AttentionProblem> problems =
      options.grid ? grid_problems(problem.dtype) : std::vector<AttentionProblem>{problem};
  Table table = bench_table();
  for (std::size_t i = 0; i < problems.size(); ++i) {
    report.progress(fmt::format("{} of {}: {} …", i + 1, problems.size(), describe(problems[i])));
    bench_problem(problems[i], device, contenders, policy, table);
  }
  report.value("policy", policy.text());
  report.table("rows", "Forward on " + device.info().name, table);
  report.note(
      "µs: " + policy.text() +
      ". Bytes: Q, K, V and O once. FLOPs: 4·B·H·Sq·Skv·D, of causal only what is visible.");
  return kExitOk;
}

}  // namespace

void add_bench(Program& program) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App& command =
      add_command(program,
                  "bench",
                  "Measure problems on this GPU: time, TFLOP/s, GB/s",
                  [options](Report& report) { return run_bench(*options, report); });
  options->problem.add_to(command);
  command
      .add_option("--family",
                  options->families,
                  "Kernel families, measured interleaved; default: what forward chooses")
      ->check(CLI::IsMember({"standard", "simt", "sm80", "sm90"}));
  command.add_option(
      "--variant", options->variant, "Its tiling, forced, on the problem of the flags");
  command.add_option("--device", options->device, "CUDA device")->check(CLI::NonNegativeNumber);
  command.add_option("--rounds", options->policy.rounds, "Samples of each call")
      ->check(CLI::Range(1, 10000));
  command.add_option("--seconds", options->policy.max_seconds, "Time for one problem, at most")
      ->check(positive());
  command.add_flag("--warm-l2", options->warm_l2, "Do not empty the L2 cache before each run");
  command.add_flag("--grid",
                   options->grid,
                   "36 points: D 64, 128, 256 × mask × S 512 … 16384, 16k tokens, H·D = 2048");
  command.add_flag("--tuned-grid",
                   options->tuned_grid,
                   "The 36 points, default and tuned tiling in pairs; exact records are needed");
  command.add_option(
      "--records",
      options->tuned.records,
      "Records of --tuned-grid, a directory or a file; default: all that forward sees");
  command.add_option(
      "--out", options->tuned.out, "File for the result of --tuned-grid, --ladder or --compile");
  command.add_flag("--ladder",
                   options->ladder,
                   "What each technique of the Hopper kernel gives, at --seqlen: added, and "
                   "switched off, one at a time");
  auto* compile = command.add_flag("--compile",
                                   options->compile,
                                   "NVRTC's time for the sm90 variants that can be chosen; no GPU");
  command.add_option("--head-dims", options->head_dims, "Of --compile, with commas between")
      ->delimiter(',')
      ->check(head_dim())
      ->needs(compile)
      ->capture_default_str();
  command.add_flag(
      "--host", options->host, "Host time: warm call beside a bare launch, first call, disk hit");
  command.add_option("--start", options->start)->group("");
  command.add_option("--start-cache", options->start_cache)->group("");
  exclude_what_would_be_ignored(command);
}

}  // namespace flashjit::cli
