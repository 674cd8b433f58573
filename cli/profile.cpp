// `flashjit profile`: runs a variant with KernelConfig::profile set, tells where its warpgroups
// spent their time, and writes that as a trace. On the GPU, or on the emulator, whose trace shows
// the order of things but not their duration.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>

#include "cli/chrome_trace.h"
#include "cli/option_checks.h"
#include "cli/program.h"
#include "cli/result_file.h"
#include "cli/tensors.h"
#include "cli/variants.h"
#include "executor_factory.h"
#include "kernel_registry.h"
#include "kernel_src/variant_plan.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

struct ProfileOptions {
  ProblemFlags problem{{.dtype = Dtype::kBf16,
                        .batch = 1,
                        .seqlen_q = 2048,
                        .seqlen_kv = 2048,
                        .num_heads_q = 16,
                        .num_heads_kv = 16,
                        .head_dim = 128}};
  std::string variant, out, backend = "cuda";
  int device = 0, ctas = 4, capacity = 1 << 15;
};

// The variant that was named, or the one that forward() would use; with the profile switched on.
KernelConfig choose(const ProfileOptions& options,
                    const DeviceInfo& device,
                    AttentionProblem& problem) {
  KernelConfig config;
  if (options.variant.empty()) {
    const ValidatedProblem call = validate(problem.args(nullptr, nullptr, nullptr, nullptr), false);
    config = select(call.problem, call.shape, device, {}, {}).config;
  } else {
    config = require_variant(options.variant, device.arch);
    if (config.problem.head_dim_v != config.problem.head_dim_qk)
      throw Error(ErrorCode::kInvalidArgument,
                  "profile: head_dim_v of the variant differs from head_dim_qk, which the "
                  "problems of this program cannot express");
    config.problem.return_lse = false;
    problem.dtype = config.problem.dtype;
    problem.head_dim = config.problem.head_dim_qk;
    problem.causal = config.problem.mask == MaskKind::kCausal;
  }
  config.profile = true;
  const ValidatedProblem call = validate(problem.args(nullptr, nullptr, nullptr, nullptr), false);
  const char* reason = why_illegal(config);
  if (reason == nullptr) reason = why_unsupported(config, call.shape);
  if (reason != nullptr) throw Error(ErrorCode::kInvalidArgument, reason);
  return config;
}

// Runs it twice: the first launch fills the instruction cache and the L2.
Profile record(const KernelConfig& config,
               const AttentionProblem& problem,
               const ProfileHeader& header,
               const Executor& executor,
               const LoadedKernel& kernel,
               const Device* device) {
  Tensors tensors(device, problem, 1);
  const std::vector<std::byte> empty = empty_profile(config, header);
  constexpr std::size_t kAlignment = 256;  // of a workspace; memory of the host has less
  Memory buffer(device, empty.size() + kAlignment);
  const std::size_t skip = -reinterpret_cast<std::uintptr_t>(buffer.data()) % kAlignment;
  std::vector<std::byte> image(buffer.bytes());
  std::copy(empty.begin(), empty.end(), image.begin() + static_cast<std::ptrdiff_t>(skip));
  AttentionArgs args = tensors.args();
  args.workspace = static_cast<std::byte*>(buffer.data()) + skip;
  args.workspace_size = empty.size();
  const ProblemShape shape = validate(args).shape;
  const int launches = device != nullptr ? 2 : 1;
  for (int i = 0; i < launches; ++i) {
    buffer.write(image.data());
    executor.launch(kernel, config, args, shape, nullptr);
    if (device != nullptr) device->driver().check(device->driver().stream_synchronize(nullptr));
  }
  const std::vector<std::byte> result = buffer.read();
  return read_profile(config, std::span(result).subspan(skip, empty.size()), problem.num_heads_q);
}

// Where the time of each role went, in percent of the time of its tracks.
Table time_table(const Profile& profile, bool emulated) {
  std::vector<Column> columns = {{"role", "role"}, {"tiles", "tiles"}, {"us", "µs", 1}};
  if (emulated) columns.back() = {"steps", "steps", 0};
  for (int s = 1; s < static_cast<int>(Stage::kCount); ++s) {
    const std::string name = to_string(static_cast<Stage>(s));
    columns.push_back({name, name + " %", 1});
  }
  struct Sums {
    int tiles = 0;
    double total = 0;
    std::map<Stage, double> us;
  };
  std::vector<std::string> roles;
  std::map<std::string, Sums> sums;
  for (const ProfiledTrack& track : profile.tracks) {
    if (!sums.contains(track.role)) roles.push_back(track.role);
    Sums& sum = sums[track.role];
    const auto add = [&sum](const std::vector<StageSpan>& stages) {
      for (const StageSpan& span : stages) {
        sum.us[span.stage] += span.end_us - span.start_us;
        sum.total += span.end_us - span.start_us;
      }
    };
    for (const TileSpan& tile : track.tiles) add(tile.stages);
    add(track.between);
    sum.tiles += static_cast<int>(track.tiles.size());
  }
  Table table(std::move(columns));
  for (const std::string& role : roles) {
    Sums& sum = sums[role];
    // The emulator's clock counts steps, of which the time line makes thousandths.
    const double total = emulated ? std::round(sum.total * profile.clock_mhz) : sum.total;
    std::vector<Json> cells = {role, sum.tiles, total};
    for (int s = 1; s < static_cast<int>(Stage::kCount); ++s) {
      const double us = sum.us[static_cast<Stage>(s)];
      const double share = us / sum.total * 100;
      cells.push_back(share >= 0.05 ? Json(share) : Json());
    }
    table.row(std::move(cells));
  }
  return table;
}

std::unique_ptr<GpuSession> open_gpu(const Settings& settings, int ordinal) {
  try {
    return std::make_unique<GpuSession>(settings, ordinal);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNoDriver) throw;
    throw Error(
        error.code(),
        fmt::format("{}\nWithout a GPU: `--backend emulated` records the order of things on "
                    "the emulator, not how long they take",
                    error.what()));
  }
}

int run_profile(const ProfileOptions& options, Report& report) {
  const Settings settings = read_settings();
  const bool emulated = options.backend == "emulated";
  require_output_file(options.out);
  if (!options.variant.empty()) require_variant_name(options.variant);
  if (emulated) use_emulator();
  std::unique_ptr<GpuSession> gpu;
  if (!emulated) gpu = open_gpu(settings, options.device);
  const auto logger = make_logger({}, settings);
  const std::unique_ptr<Executor> executor = make_executor(
      emulated ? Backend::kEmulated : Backend::kCuda, {.device = options.device}, settings, logger);
  AttentionProblem problem = options.problem.problem();
  const KernelConfig config = choose(options, executor->device(), problem);
  const std::string name = variant_name(config);
  report.progress("compiling " + name + " …");
  KernelRegistry registry(*executor, settings, logger);
  const Kernel& kernel = registry.get(config);
  report.progress("running it …");
  const ProfileHeader header = {
      .tile_counter = {}, .num_ctas = options.ctas, .capacity = options.capacity};
  const Profile profile =
      record(config, problem, header, *executor, *kernel.loaded, gpu ? &gpu->device() : nullptr);

  unsigned lost = 0;
  std::set<int> ctas;  // those that ran: a small problem has fewer than may record
  for (const ProfiledTrack& track : profile.tracks) {
    lost += track.lost;
    ctas.insert(track.cta);
  }
  const Json about = {{"variant", name},
                      {"problem", describe(problem)},
                      {"device", executor->device().name},
                      {"sm_clock_mhz", profile.clock_mhz},
                      {"ctas", ctas.size()},
                      {"lost_events", lost}};
  write_output_file(options.out, chrome_trace(profile, about));
  report.value("trace", options.out);
  report.value("about", about);
  report.table("stages", name + ": " + describe(problem), time_table(profile, emulated));
  report.note(
      fmt::format("{} tracks of {} CTA(s) in {}; open it in https://ui.perfetto.dev or "
                  "chrome://tracing.",
                  profile.tracks.size(),
                  ctas.size(),
                  options.out));
  if (emulated)
    report.note("Times are steps of the emulator: they order the events, they measure nothing.");
  else if (config.tiling.overlap)
    report.note(
        "With overlap P·V runs beside the next block's QKᵀ and softmax: its column is what "
        "was left to wait for.");
  if (lost > 0) report.note(fmt::format("{} events found no room; --events makes more.", lost));
  return kExitOk;
}

}  // namespace

void add_profile(Program& program) {
  auto options = std::make_shared<ProfileOptions>();
  CLI::App& command =
      add_command(program,
                  "profile",
                  "Record what each warpgroup of a variant does when, as a Chrome/Perfetto trace",
                  [options](Report& report) { return run_profile(*options, report); });
  command.add_option("VARIANT",
                     options->variant,
                     "A name as `flashjit list` prints it, which then tells dtype, head_dim and "
                     "mask; default: what forward would use");
  options->problem.add_to(command);
  exclude(command, {"VARIANT"}, {"--dtype", "--head-dim", "--causal"});
  command.add_option("--out", options->out, "Trace file to write")->required();
  command.add_option("--backend", options->backend, "cuda, or emulated: no GPU, no durations")
      ->check(CLI::IsMember({"cuda", "emulated"}))
      ->capture_default_str();
  command.add_option("--device", options->device, "CUDA ordinal")->capture_default_str();
  command.add_option("--ctas", options->ctas, "How many CTAs record")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--events", options->capacity, "Room for events, per warpgroup")
      ->check(CLI::Range(16, 1 << 20))
      ->capture_default_str();
}

}  // namespace flashjit::cli
