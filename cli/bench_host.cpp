#include "cli/bench_host.h"

#include <fmt/format.h>

#include <filesystem>

#include "autotune/bare_launch.h"
#include "autotune/measure.h"
#include "cli/bench_start.h"
#include "cli/program.h"
#include "cli/temporary_directory.h"
#include "cli/tensors.h"
#include "problem.h"
#include "tensor_map.h"

namespace flashjit::cli {
namespace {

namespace fs = std::filesystem;

// Calls of the driver that a forward makes or avoids, each alone, with the stream idle.
std::vector<HostCall> driver_calls(const Device& device,
                                   CUstream stream,
                                   const AttentionArgs& args) {
  const DriverLibrary& driver = device.driver();
  return {{"cuCtxGetCurrent",
           [&driver] {
             CUcontext context = nullptr;
             driver.check(driver.ctx_get_current(&context));
           }},
          {"cuStreamIsCapturing",
           [&driver, stream] {
             CUstreamCaptureStatus status{};
             driver.check(driver.stream_is_capturing(stream, &status));
           }},
          {"cuPointerGetAttributes",
           [&driver, address = args.q.data] {
             CUmemorytype type{};
             int ordinal = 0;
             CUpointer_attribute attributes[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                                 CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
             void* values[] = {&type, &ordinal};
             driver.check(driver.pointer_get_attributes(
                 2, attributes, values, reinterpret_cast<CUdeviceptr>(address)));
           }},
          {"cuTensorMapEncodeTiled", [&driver, args] {
             TensorMapSpec spec{.base = args.q.data, .dtype = args.q.dtype};
             spec.dims = {64, 128, 1, 1, 1};
             spec.strides = {128, 128, 128, 128};
             spec.box = {64, 64, 1, 1, 1};
             encode_tensor_map(driver, spec);
           }}};
}

// Calls whose four tensors lie where none of the last thousand calls' did: nothing of what a thread
// remembers applies to them. One stream runs them, so they may overlap.
class FreshTensors {
 public:
  FreshTensors(const Device& device, const AttentionProblem& problem)
      : problem_(problem),
        q_(device, bytes(problem, problem.q_elements())),
        k_(device, bytes(problem, problem.kv_elements())),
        v_(device, bytes(problem, problem.kv_elements())),
        o_(device, bytes(problem, problem.q_elements())) {}

  AttentionArgs next() {
    const std::size_t offset = kStep * (next_++ % kPlaces);
    const auto at = [offset](const GpuBuffer& buffer) {
      return static_cast<std::byte*>(buffer.data()) + offset;
    };
    return problem_.args(at(q_), at(k_), at(v_), at(o_));
  }

 private:
  static constexpr std::size_t kStep = 512, kPlaces = 1024;
  static std::size_t bytes(const AttentionProblem& problem, std::size_t elements) {
    return elements * static_cast<std::size_t>(size_of(problem.dtype)) + kStep * kPlaces;
  }

  AttentionProblem problem_;
  GpuBuffer q_, k_, v_, o_;
  std::size_t next_ = 0;
};

// First forward of a Runtime that has nothing to find, with the CUDA context alive.
VariantInfo first_call(const fs::path& cache_dir,
                       Tensors& tensors,
                       const Device& device,
                       double& ms) {
  Options options{.backend = Backend::kCuda, .device = device.ordinal(), .cache_dir = cache_dir};
  options.bundles.emplace();
  VariantInfo info;
  ms = wall_ms([&] {
    Runtime runtime(options);
    info = runtime.prepare(tensors.args());
    tensors.provide_workspace(&device, runtime);
    runtime.forward(tensors.args());
    device.driver().check(device.driver().stream_synchronize(nullptr));
  });
  return info;
}

// `cache_dir`: the runtime's.
void report_warm(const AttentionProblem& problem,
                 const Device& device,
                 Tensors& tensors,
                 Runtime& runtime,
                 const fs::path& cache_dir,
                 Report& report) {
  const AttentionArgs args = tensors.args();
  runtime.forward(args);
  Runtime without_records(Options{.backend = Backend::kCuda,
                                  .device = device.ordinal(),
                                  .cache_dir = cache_dir,
                                  .tune = TuneMode::kOff});
  without_records.forward(args);
  FreshTensors fresh(device, problem);
  const GpuStream stream(device);
  const GpuGraph graph(
      device, stream, [&](CUstream capturing) { runtime.forward(args, capturing); });
  const BareLaunch bare(device, graph);
  std::vector<HostCall> calls = {
      {"forward", [&] { runtime.forward(args, stream.get()); }},
      {"bare", [&] { bare(stream.get()); }},
      {"fresh",
       [&, workspace = args.workspace, size = args.workspace_size] {
         AttentionArgs other = fresh.next();
         other.workspace = workspace, other.workspace_size = size;
         runtime.forward(other, stream.get());
       }},
      {"no records", [&] { without_records.forward(args, stream.get()); }},
      {"validate", [&] { (void)validate(args); }}};
  for (HostCall& call : driver_calls(device, stream.get(), args)) calls.push_back(std::move(call));
  const std::vector<Measurement> times = compare_host_times(calls, [&] { stream.synchronize(); });

  const double bare_us = times[1].median_us;
  const auto us = [](const Measurement& m) {
    return fmt::format("{:.2f} µs (± {:.2f})", m.median_us, m.spread_us);
  };
  const auto extra = [&](const Measurement& m) {
    return fmt::format("{:.2f} µs", m.median_us - bare_us);
  };
  std::string parts;
  Json all_parts = Json::object();
  for (std::size_t i = 4; i < times.size(); ++i) {
    parts += fmt::format(
        "{}{} {:.0f} ns", parts.empty() ? "" : ", ", times[i].name, 1000 * times[i].median_us);
    all_parts[times[i].name] = times[i].median_us;
  }
  report.facts(
      "host",
      fmt::format("Host time of a warm call on {}", device.info().name),
      {{"forward_us", "same tensors", us(times[0]), times[0].median_us},
       {"fresh_us", "new tensors", us(times[2]), times[2].median_us},
       {"bare_launch_us",
        "bare cuLaunchKernelEx",
        fmt::format("{}, {} kernel(s), parameters ready", us(times[1]), bare.num_kernels()),
        bare_us},
       {"extra_us", "difference, same", extra(times[0]), times[0].median_us - bare_us},
       {"fresh_extra_us", "difference, new", extra(times[2]), times[2].median_us - bare_us},
       {"no_records_us", "without tuning records", us(times[3]), times[3].median_us},
       {"parts_us", "alone", parts, all_parts}});
}

}  // namespace

int bench_host(const AttentionProblem& problem, const Device& device, Report& report) {
  Tensors tensors(&device, problem, 1);
  const TemporaryDirectory cache;
  double cold_ms = 0;
  const VariantInfo cold = first_call(cache.path(), tensors, device, cold_ms);
  report.value("variant", cold.name);
  {
    Runtime runtime(Options{.backend = Backend::kCuda,
                            .device = device.ordinal(),
                            .cache_dir = fs::path(cache.path())});
    report_warm(problem, device, tensors, runtime, cache.path(), report);
  }
  report.facts("cold",
               "First call, empty cache, context alive",
               {{"first_call_ms", "in all", fmt::format("{:.1f} ms", cold_ms), cold_ms},
                {"nvrtc_ms", "NVRTC", fmt::format("{:.1f} ms", cold.compile_ms), cold.compile_ms}});
  bench_starts({"", problem, device.ordinal(), cache.path()}, report);
  report.note(
      "Warm: medians of batches of 64 calls, interleaved; \"new tensors\" are four pointers that "
      "none of the last thousand calls used. First calls: from constructing the Runtime to the "
      "finished forward; those of fresh processes without the time of the kernel itself.");
  return kExitOk;
}

}  // namespace flashjit::cli
