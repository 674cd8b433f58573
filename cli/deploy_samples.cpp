#include "cli/deploy_samples.h"

#include <fmt/format.h>

#include "autotune/measure.h"
#include "autotune/sm_clock.h"
#include "cli/progress_bar.h"
#include "cli/result_file.h"
#include "machine_limits.h"

namespace flashjit::cli {
namespace {

namespace fs = std::filesystem;

// Of the first `variants` problems `count`, spread evenly.
std::vector<AttentionArgs> problems(int variants, int count) {
  std::vector<AttentionArgs> all;
  for (int i = 0; i < count; ++i) all.push_back(sample_problem(i * variants / count));
  return all;
}

Json values_of(const std::vector<Fact>& facts) {
  Json values = Json::object();
  for (const Fact& fact : facts) values[fact.key] = fact.value;
  return values;
}

}  // namespace

AttentionArgs sample_problem(int number) {
  const int i = (number + 47) % 256;  // begins with head_dim 128, causal
  const int head_dim = 8 * (i % 32 + 1);
  const Dtype dtype = i / 64 % 2 == 0 ? Dtype::kBf16 : Dtype::kFp16;
  AttentionArgs args;
  args.q = args.k = args.v = args.o =
      bshd(nullptr, dtype, kSampleBatch, kSampleSeqlen, kSampleHeads, head_dim);
  args.causal = i / 32 % 2 == 1;
  if (i / 128 == 1) args.lse = reinterpret_cast<float*>(std::uintptr_t{256});  // only its being
  return args;
}

Preloaded preload(
    const DeployBench& bench, int count, int threads, const fs::path& cache, Report& report) {
  Runtime runtime(Options{.backend = Backend::kCuda,
                          .device = bench.device,
                          .cache_dir = cache,
                          .bundles = std::vector<fs::path>()});
  PreloadResult result;
  Preloaded preloaded;
  preloaded.wall_ms = wall_ms([&] {
    result = runtime.preload(
        problems(bench.variants, count),
        {.threads = threads, .on_progress = [&](const PreloadProgress& p) {
           show_progress(fmt::format("{} at once: {}", threads, progress_bar(p)), report);
           return true;
         }});
  });
  for (const PreloadedVariant& variant : result.variants) {
    if (!variant.error.empty()) throw Error(variant.error_code, variant.error);
    preloaded.compile_ms[variant.info.name] = variant.info.compile_ms;
  }
  preloaded.device = runtime.device();
  return preloaded;
}

void write_results(const DeployBench& bench,
                   const std::string& command,
                   const DeviceInfo& device,
                   const std::vector<Fact>& facts,
                   const Json& rows) {
  if (bench.out.empty()) return;
  Json head = {{"device", device.name},
               {"driver", nvidia_driver_version()},
               {"date", today()},
               {"command", command}};
  head.update(values_of(facts));
  write_result_file(bench.out, head, rows);
}

int threads_of(const DeployBench& bench) {
  return parallel_compiles(read_machine_limits(), bench.threads);
}

}  // namespace flashjit::cli
