#include "cli/bench_host.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <filesystem>

#include "autotune/bare_launch.h"
#include "autotune/measure.h"
#include "cli/program.h"
#include "cli/tensors.h"

namespace flashjit::cli {
namespace {

namespace fs = std::filesystem;

// A directory that exists as long as the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    if (mkdtemp(path_.data()) == nullptr)
      throw Error(ErrorCode::kIo, "cannot make a directory like " + path_);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_ = (fs::temp_directory_path() / "flashjit-XXXXXX").string();
};

// From nothing to a finished forward, with the context already alive.
struct FirstCall {
  double total_ms = 0;
  VariantInfo info;
};

FirstCall first_call(const fs::path& cache_dir, Tensors& tensors, const Device& device) {
  FirstCall first;
  Options options{.backend = Backend::kCuda, .device = device.ordinal(), .cache_dir = cache_dir};
  options.bundles.emplace();
  first.total_ms = wall_ms([&] {
    Runtime runtime(options);
    first.info = runtime.prepare(tensors.args());
    runtime.forward(tensors.args());
    device.driver().check(device.driver().stream_synchronize(nullptr));
  });
  return first;
}

}  // namespace

int bench_host(const AttentionProblem& problem, const Device& device, Report& report) {
  Tensors tensors(&device, problem, 1);
  const TemporaryDirectory cache;
  const FirstCall cold = first_call(cache.path(), tensors, device);
  const FirstCall disk = first_call(cache.path(), tensors, device);

  Runtime runtime(Options{
      .backend = Backend::kCuda, .device = device.ordinal(), .cache_dir = fs::path(cache.path())});
  tensors.provide_workspace(&device, runtime);
  const AttentionArgs args = tensors.args();
  runtime.forward(args);
  const GpuStream stream(device);
  const GpuGraph graph(
      device, stream, [&](CUstream capturing) { runtime.forward(args, capturing); });
  const BareLaunch bare(device, graph);
  const HostCall calls[] = {{"forward", [&] { runtime.forward(args, stream.get()); }},
                            {"bare", [&] { bare(stream.get()); }}};
  const std::vector<Measurement> warm = compare_host_times(calls, [&] { stream.synchronize(); });

  const double extra_us = warm[0].median_us - warm[1].median_us;
  const auto us = [](const Measurement& m) {
    return fmt::format("{:.2f} µs (± {:.2f})", m.median_us, m.spread_us);
  };
  report.facts(
      "host",
      fmt::format("Host time of {} on {}", cold.info.name, device.info().name),
      {{"forward_us", "warm forward", us(warm[0]), warm[0].median_us},
       {"bare_launch_us",
        "bare cuLaunchKernelEx",
        fmt::format("{}, {} kernel(s), parameters ready", us(warm[1]), bare.num_kernels()),
        warm[1].median_us},
       {"extra_us", "difference", fmt::format("{:.2f} µs", extra_us), extra_us},
       {"first_call_ms",
        "first call, empty cache",
        fmt::format("{:.1f} ms, of it NVRTC {:.1f} ms", cold.total_ms, cold.info.compile_ms),
        cold.total_ms},
       {"nvrtc_ms", "NVRTC", fmt::format("{:.1f} ms", cold.info.compile_ms), cold.info.compile_ms},
       {"disk_hit_ms",
        "first call, disk hit",
        fmt::format(
            "{:.2f} ms, of it look-up and load {:.2f} ms", disk.total_ms, disk.info.load_ms),
        disk.total_ms}});
  report.value("variant", cold.info.name);
  report.value("disk_origin", to_string(disk.info.origin));
  report.note(
      "First calls: from constructing the Runtime to the finished forward, with the CUDA context "
      "alive. Warm: "
      "median of batches of 64 calls, interleaved.");
  return kExitOk;
}

}  // namespace flashjit::cli
