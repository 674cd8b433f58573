#include "cli/bench_start.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <optional>

#include "autotune/measure.h"
#include "cli/child_process.h"
#include "cli/program.h"
#include "cli/tensors.h"
#include "cuda_executor.h"
#include "kernel_registry.h"
#include "select.h"
#include "variant_source.h"

namespace flashjit::cli {
namespace {

constexpr int kProcesses = 7;  // of each kind

// A Runtime and its first forward, in phases. The tensors are the program's own business, and so is
// the time of the kernel: `again_ms` is the same call once more.
void report_forward(const StartTask& task, std::optional<GpuSession>& session, Report& report) {
  Options options{.backend = Backend::kCuda,
                  .device = task.device,
                  .cache_dir = std::filesystem::path(task.cache_dir)};
  options.bundles.emplace();
  std::optional<Runtime> runtime;
  report.value("runtime_ms", wall_ms([&] { runtime.emplace(options); }));
  if (!session) session.emplace(read_settings(), task.device);
  Tensors tensors(&session->device(), task.problem, 1);
  VariantInfo info;
  report.value("lookup_ms", wall_ms([&] { info = runtime->prepare(tensors.args()); }));
  tensors.provide_workspace(&session->device(), *runtime);
  const DriverLibrary& driver = session->device().driver();
  const auto forward = [&] {
    runtime->forward(tensors.args());
    driver.check(driver.stream_synchronize(nullptr));
  };
  report.value("first_ms", wall_ms(forward));
  report.value("again_ms", wall_ms(forward));
  report.value("origin", to_string(info.origin));
}

void report_steps(const StartTask& task, const GpuSession& session, Report& report) {
  Settings settings = read_settings();
  settings.cache_dir = task.cache_dir;
  settings.bundles.clear();
  const AttentionArgs args = task.problem.args(nullptr, nullptr, nullptr, nullptr);
  const ValidatedProblem call = validate(args, false);
  const KernelConfig config =
      select(call.problem, call.shape, session.device().info(), {}, {}).config;
  std::string build;
  report.value("nvrtc_build_ms", wall_ms([&] {
                 const std::optional<NvrtcFile> file = find_nvrtc_file(settings.libnvrtc);
                 build = file ? file->build : NvrtcLibrary(settings.libnvrtc).build();
               }));
  VariantSource source;
  report.value("source_ms",
               wall_ms([&] { source = make_variant_source(config, KernelSources::embedded()); }));
  CubinCache cache(settings, make_logger({}, settings));
  std::optional<CacheHit> hit;
  report.value("read_ms",
               wall_ms([&] { hit = cache.find(make_cache_key(source, "nvrtc " + build)); }));
  if (!hit) throw Error(ErrorCode::kInternal, "the cache does not hold " + source.name);
  const auto device =
      std::make_shared<Device>(std::make_shared<DriverLibrary>(settings.libcuda), task.device);
  std::optional<CudaKernel> kernel;
  report.value("module_ms",
               wall_ms([&] { kernel.emplace(device, config, hit->entry.binary.code); }));
  std::optional<TileCounters> counters;
  report.value("counters_ms", wall_ms([&] { counters.emplace(device); }));
}

// What a process of this kind reported.
Json start_process(const StartTask& task, const std::string& kind) {
  const AttentionProblem& p = task.problem;
  std::vector<std::string> arguments = {
      std::filesystem::read_symlink("/proc/self/exe").string(),
      "bench",
      "--json",
      "--start",
      kind,
      "--start-cache",
      task.cache_dir,
  };
  const auto add = [&](const char* flag, auto value) {
    arguments.insert(arguments.end(), {flag, fmt::format("{}", value)});
  };
  add("--device", task.device);
  add("--dtype", to_string(p.dtype));
  add("--batch", p.batch);
  add("--heads", p.num_heads_q);
  add("--kv-heads", p.num_heads_kv);
  add("--seqlen", p.seqlen_q);
  add("--seqlen-kv", p.seqlen_kv);
  add("--head-dim", p.head_dim);
  if (p.causal) arguments.emplace_back("--causal");
  const ChildResult child = run_program(std::move(arguments), ChildErrors::kInherited);
  Json json = Json::parse(child.output, nullptr, false);
  if (child.status != 0 || json.is_discarded())
    throw Error(ErrorCode::kInternal, "a process of its own failed: " + child.output);
  return json;
}

}  // namespace

int run_start(const StartTask& task, Report& report) {
  std::optional<GpuSession> session;
  if (task.kind == "forward") {
    report_forward(task, session, report);
    return kExitOk;
  }
  report.value("context_ms", wall_ms([&] { session.emplace(read_settings(), task.device); }));
  if (task.kind == "live") report_forward(task, session, report);
  if (task.kind == "steps") report_steps(task, *session, report);
  return kExitOk;
}

void bench_starts(const StartTask& task, Report& report) {
  // kind → phase → milliseconds of each process
  std::map<std::string, std::map<std::string, std::vector<double>>> samples;
  for (int i = 0; i <= kProcesses; ++i) {
    report.progress(fmt::format("fresh processes, {} of {} …", i, kProcesses));
    for (const char* kind : {"context", "forward", "live", "steps"}) {
      const Json json = start_process(task, kind);
      if (i == 0) continue;  // brings the files into memory
      for (const auto& [phase, value] : json.items())
        if (value.is_number()) samples[kind][phase].push_back(value.get<double>());
    }
  }
  const auto median = [&](const char* kind, const char* phase) {
    return summarize(phase, samples[kind][phase]).median_us;  // the unit is the samples'
  };
  const auto total = [&](const char* kind) {
    return median(kind, "runtime_ms") + median(kind, "lookup_ms") + median(kind, "first_ms") -
           median(kind, "again_ms");
  };
  const auto phases = [&](const char* kind) {
    return fmt::format(
        "{:.2f} ms: Runtime {:.2f}, look-up and load {:.2f}, first run {:.2f}, less "
        "the kernel's {:.2f}",
        total(kind),
        median(kind, "runtime_ms"),
        median(kind, "lookup_ms"),
        median(kind, "first_ms"),
        median(kind, "again_ms"));
  };
  const auto step = [&](const char* phase) { return median("steps", phase); };
  const double context = median("context", "context_ms"), beyond = total("forward") - context;
  const std::string steps = fmt::format(
      "NVRTC's build {:.2f} ms, source and digests {:.2f}, read and verify {:.2f}, "
      "module {:.2f}, tile counters {:.2f}",
      step("nvrtc_build_ms"),
      step("source_ms"),
      step("read_ms"),
      step("module_ms"),
      step("counters_ms"));
  Json all_steps = Json::object();
  for (const auto& [phase, values] : samples["steps"]) all_steps[phase] = step(phase.c_str());
  report.facts(
      "start",
      fmt::format("Fresh processes, medians of {}", kProcesses),
      {{"context_ms", "driver and context", fmt::format("{:.1f} ms", context), context},
       {"disk_hit_ms", "Runtime, disk hit", phases("forward"), total("forward")},
       {"disk_hit_extra_ms", "beyond the context", fmt::format("{:.2f} ms", beyond), beyond},
       {"disk_hit_live_ms", "context alive", phases("live"), total("live")},
       {"steps", "its steps", steps, all_steps}});
}

}  // namespace flashjit::cli
