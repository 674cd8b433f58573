#include "cli/bundle_start.h"

#include <fmt/format.h>
#include <stdio.h>

#include <algorithm>
#include <optional>

#include "autotune/measure.h"
#include "bundle.h"
#include "cache_maintenance.h"
#include "cli/deploy_samples.h"
#include "cli/progress_bar.h"
#include "cli/temporary_directory.h"
#include "cli/tensors.h"

namespace flashjit::cli {
namespace {

namespace fs = std::filesystem;

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

// The median, and its range as text.
Fact ms_fact(const char* key, const char* title, const std::vector<double>& samples) {
  const auto [least, most] = std::minmax_element(samples.begin(), samples.end());
  return {key,
          title,
          fmt::format("{:.2f} ms ({:.2f} … {:.2f})", median(samples), *least, *most),
          median(samples)};
}

// A process of its own, and one that only makes the context: a row of milliseconds.
Json start_pair(const std::string& child) {
  const Ran bare = run_command(child + " --context-only");
  const Ran ran = run_command(child);
  const Json answer = Json::parse(ran.output);
  if (answer.at("bundle_hits") != 1 || answer.at("misses") != 0) {
    throw Error(ErrorCode::kInternal, "the process did not use the bundle: " + answer.dump());
  }
  return {{"context_ms", answer.at("context_ms")},
          {"first_launch_ms", answer.at("first_launch_ms")},
          {"process_ms", ran.wall_ms},
          {"context_process_ms", bare.wall_ms},
          {"beyond_ms", ran.wall_ms - bare.wall_ms}};
}

std::vector<double> column(const Json& rows, const char* key) {
  std::vector<double> values;
  for (const Json& row : rows) values.push_back(row.at(key));
  return values;
}

}  // namespace

int run_first_launch(int device, bool context_only, Report& report) {
  const Settings settings = read_settings();
  std::optional<GpuSession> gpu;
  report.value("context_ms", wall_ms([&] { gpu.emplace(settings, device); }));
  if (context_only) return kExitOk;
  AttentionArgs args = sample_problem(0);
  const auto elements =
      static_cast<std::size_t>(kSampleBatch) * kSampleSeqlen * kSampleHeads * kSampleHeadDim;
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

int bench_start(const DeployBench& bench, Report& report) {
  const TemporaryDirectory directory;
  const fs::path root = directory.path();
  const Preloaded built = preload(bench, bench.variants, threads_of(bench), root / "cache", report);
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
  Json rows = Json::array();
  for (int i = 0; i <= bench.starts; ++i) {
    show_progress(fmt::format("{} of {} starts …", i, bench.starts), report);
    const Json row = start_pair(child);
    if (i > 0) rows.push_back(row);  // the first brings the files into memory
  }
  const std::size_t entries = contents.entries.size();
  const auto fact = [&](const char* key, const char* title) {
    return ms_fact(key, title, column(rows, key));
  };
  const std::vector<Fact> facts = {
      {"entries", "entries", fmt::to_string(entries), entries},
      {"starts", "fresh processes", fmt::to_string(bench.starts), bench.starts},
      fact("context_ms", "driver and context"),
      fact("first_launch_ms", "then to the first launch"),
      fact("process_ms", "whole process"),
      fact("context_process_ms", "one that only makes the context"),
      fact("beyond_ms", "what it costs less")};
  report.facts("start",
               fmt::format("Start from a bundle of {} entries on {}", entries, built.device.name),
               facts);
  report.value("rows", rows);
  report.note(
      "Medians (least … most). To the first launch: from constructing the Runtime, with the "
      "context alive, to the return of forward(); offline, NVRTC not opened. Whole processes: "
      "from before the start to after the end, in pairs.");
  const std::string command =
      fmt::format("flashjit bench-start --variants {} --starts {}", bench.variants, bench.starts);
  write_results(bench, command, built.device, facts, rows);
  return kExitOk;
}

}  // namespace flashjit::cli
