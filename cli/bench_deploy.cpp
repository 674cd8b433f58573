#include "cli/bench_deploy.h"

#include <fmt/format.h>
#include <stdio.h>

#include <algorithm>
#include <optional>

#include "autotune/measure.h"
#include "bundle.h"
#include "cache_maintenance.h"
#include "cli/progress_bar.h"
#include "cli/temporary_directory.h"
#include "cli/tensors.h"
#include "machine_limits.h"

namespace flashjit::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kBatch = 1, kSeqlen = 1024, kHeads = 16;

// Problem number i, of up to 256 with a variant of its own each: head_dim × mask × dtype × LSE.
AttentionArgs problem(int i) {
  const int head_dim = 8 * (i % 32 + 1);
  const Dtype dtype = i / 64 % 2 == 0 ? Dtype::kBf16 : Dtype::kFp16;
  AttentionArgs args;
  args.q = args.k = args.v = args.o = bshd(nullptr, dtype, kBatch, kSeqlen, kHeads, head_dim);
  args.causal = i / 32 % 2 == 1;
  if (i / 128 == 1) args.lse = reinterpret_cast<float*>(std::uintptr_t{256});  // only its being
  return args;
}

std::vector<AttentionArgs> problems(int count) {
  std::vector<AttentionArgs> all;
  for (int i = 0; i < count; ++i) all.push_back(problem(i));
  return all;
}

struct Preloaded {
  double wall_ms = 0, compile_ms = 0;
  std::size_t variants = 0;
  std::string device;
};

// Into an empty cache directory. Throws the first error of a variant.
Preloaded preload(const DeployBench& bench, int threads, const fs::path& cache, Report& report) {
  Runtime runtime(Options{.backend = Backend::kCuda,
                          .device = bench.device,
                          .cache_dir = cache,
                          .bundles = std::vector<fs::path>()});
  PreloadResult result;
  Preloaded preloaded;
  preloaded.wall_ms = wall_ms([&] {
    result = runtime.preload(problems(bench.variants),
                             {.threads = threads, .on_progress = [&](const PreloadProgress& p) {
                                report.progress(progress_bar(p));
                                return true;
                              }});
  });
  for (const PreloadedVariant& variant : result.variants) {
    if (!variant.error.empty()) throw Error(variant.error_code, variant.error);
  }
  preloaded.variants = result.variants.size();
  preloaded.compile_ms = runtime.stats().compile_ms;
  preloaded.device = runtime.device().name;
  return preloaded;
}

int threads_of(const DeployBench& bench) {
  return parallel_compiles(read_machine_limits(), bench.threads);
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

// What a command prints, and how long it took from its start to its end.
struct Ran {
  std::string output;
  double wall_ms = 0;
};

Ran run_command(const std::string& command) {
  Ran ran;
  int status = -1;
  ran.wall_ms = wall_ms([&] {
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) throw Error(ErrorCode::kIo, "cannot start: " + command);
    char buffer[4096];
    for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
      ran.output.append(buffer, n);
    status = ::pclose(pipe);
  });
  if (status != 0) throw Error(ErrorCode::kInternal, fmt::format("{}: exit {}", command, status));
  return ran;
}

double median(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

Fact ms_fact(const char* key, const char* title, const std::vector<double>& samples) {
  const auto [least, most] = std::minmax_element(samples.begin(), samples.end());
  return {key,
          title,
          fmt::format("{:.2f} ms ({:.2f} … {:.2f})", median(samples), *least, *most),
          median(samples)};
}

int run_first_launch(int device, Report& report) {
  const Settings settings = read_settings();
  std::optional<GpuSession> gpu;
  report.value("context_ms", wall_ms([&] { gpu.emplace(settings, device); }));
  AttentionArgs args = problem(47);  // bf16, head_dim 128, causal
  const auto elements = static_cast<std::size_t>(kBatch) * kSeqlen * kHeads * 128;
  const GpuBuffer inputs(gpu->device(), elements * 2);  // whatever stands in it
  const GpuBuffer output(gpu->device(), elements * 2);
  args.q.data = args.k.data = args.v.data = inputs.data();
  args.o.data = output.data();
  std::optional<Runtime> runtime;
  report.value("first_launch_ms", wall_ms([&] {
                 runtime.emplace(Options{.backend = Backend::kCuda, .device = device});
                 runtime->forward(args);
               }));
  gpu->device().driver().check(gpu->device().driver().stream_synchronize(nullptr));
  const Stats stats = runtime->stats();
  report.value("bundle_hits", stats.bundle_hits);
  report.value("misses", stats.misses);
  return kExitOk;
}

}  // namespace

int bench_preload(const DeployBench& bench, Report& report) {
  const int threads = threads_of(bench);
  const TemporaryDirectory directory;
  const fs::path root = directory.path();
  const Preloaded many = preload(bench, threads, root / "many", report);
  const Preloaded one = preload(bench, 1, root / "one", report);
  const double speedup = one.wall_ms / many.wall_ms;
  const auto seconds = [](double ms) { return fmt::format("{:.2f} s", ms / 1000); };
  report.facts(
      "preload",
      fmt::format("Preload of {} variants on {}", many.variants, many.device),
      {{"variants", "variants", fmt::to_string(many.variants), many.variants},
       {"threads", "threads", fmt::to_string(threads), threads},
       {"many_ms", "all threads", seconds(many.wall_ms), many.wall_ms},
       {"one_ms", "one thread", seconds(one.wall_ms), one.wall_ms},
       {"many_compile_ms", "NVRTC time, all threads", seconds(many.compile_ms), many.compile_ms},
       {"one_compile_ms", "NVRTC time, one thread", seconds(one.compile_ms), one.compile_ms},
       {"speedup", "speed-up", fmt::format("{:.2f} ×", speedup), speedup}});
  report.note("Each into an empty cache, compiled, published and loaded; wall time of preload().");
  return kExitOk;
}

int bench_start(const DeployBench& bench, Report& report) {
  const TemporaryDirectory directory;
  const fs::path root = directory.path();
  const Preloaded built = preload(bench, threads_of(bench), root / "cache", report);
  Settings settings;
  settings.cache_dir = root / "cache";
  BundleContents contents;
  contents.entries = read_cache(settings);
  export_bundle(root / "bundle", contents);

  const std::string child = fmt::format(
      "FLASHJIT_BUNDLES={} FLASHJIT_OFFLINE=1 FLASHJIT_CACHE_DIR=off {} first-launch --device {} "
      "--json",
      quoted((root / "bundle").string()),
      quoted(fs::read_symlink("/proc/self/exe").string()),
      bench.device);
  std::vector<double> context, first_launch, process;
  for (int i = 0; i < bench.starts; ++i) {
    report.progress(fmt::format("{} of {} starts …", i + 1, bench.starts));
    const Ran ran = run_command(child);
    const Json answer = Json::parse(ran.output);
    if (answer.at("bundle_hits") != 1 || answer.at("misses") != 0) {
      throw Error(ErrorCode::kInternal, "the process did not use the bundle: " + answer.dump());
    }
    context.push_back(answer.at("context_ms"));
    first_launch.push_back(answer.at("first_launch_ms"));
    process.push_back(ran.wall_ms);
  }
  report.facts(
      "start",
      fmt::format("Start from a bundle of {} entries on {}", contents.entries.size(), built.device),
      {{"entries", "entries", fmt::to_string(contents.entries.size()), contents.entries.size()},
       {"starts", "fresh processes", fmt::to_string(bench.starts), bench.starts},
       ms_fact("context_ms", "driver and context", context),
       ms_fact("first_launch_ms", "then to the first launch", first_launch),
       ms_fact("process_ms", "whole process", process)});
  report.note(
      "Medians (least … most). To the first launch: from constructing the Runtime, with the "
      "context "
      "alive, to the return of forward(); offline, NVRTC not opened.");
  return kExitOk;
}

void add_bench_deploy(Program& program) {
  auto bench = std::make_shared<DeployBench>();
  const auto add =
      [&](const char* name, const char* description, int (*run)(const DeployBench&, Report&)) {
        CLI::App& command = add_command(program, name, description, [bench, run](Report& report) {
          return run(*bench, report);
        });
        command.add_option("--device", bench->device, "CUDA device")->check(CLI::NonNegativeNumber);
        command.add_option("--variants", bench->variants, "How many")
            ->check(CLI::Range(48, 256))
            ->capture_default_str();
        command
            .add_option("--threads",
                        bench->threads,
                        "Compiles at once; default: what the cores and the free memory allow")
            ->check(CLI::Range(1, 1024));
        return &command;
      };
  add("bench-preload", "Many variants compiled by many threads, then by one", bench_preload);
  add("bench-start", "Fresh processes that find many variants in a bundle", bench_start)
      ->add_option("--starts", bench->starts, "Processes")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_command(program,
              "first-launch",
              "",
              [bench](Report& report) { return run_first_launch(bench->device, report); })
      .group("")  // hidden: bench-start runs it
      ->add_option("--device", bench->device, "CUDA device");
}

}  // namespace flashjit::cli
