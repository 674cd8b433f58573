// Tuning on a real GPU: a small search end to end, and Options::tune = on_first_use.
#include "autotune/cuda_target.h"
#include "autotune/cuda_tuning_device.h"
#include "autotune/first_use.h"
#include "flashjit/error.h"
#include "kernel_src/variant_plan.h"
#include "support/catch.h"
#include "support/temp_dir.h"
#include "tuning_record_files.h"
#include "workload.h"

namespace flashjit::test {
namespace {

TuningProblem small_problem() {
  const Problem problem = {.dtype = Dtype::kBf16, .head_dim_qk = 64, .head_dim_v = 64};
  return {problem, dense_shape(problem, 2, 512, 512, 8, 8)};
}

Settings settings_with(const TempDir& cache) {
  Settings settings = read_settings();
  settings.cache_dir = cache.path();
  return settings;
}

TEST_CASE("a search on the GPU finds a record that select takes") {
  const TempDir cache;
  const Settings settings = settings_with(cache);
  std::vector<std::unique_ptr<TuningDevice>> devices;
  devices.push_back(
      std::make_unique<CudaTuningDevice>(settings, 0, tuning_policy(), make_logger({}, settings)));
  RunOptions options;
  options.tuner.shortlist = 6;
  options.tuner.seconds = 30;
  options.directory = cache.path() / kTuningDirectory;
  const std::vector<TuningProblem> problems = {small_problem()};
  const auto outcomes = run_tuning(devices, problems, {}, options);
  REQUIRE(outcomes.size() == 1);
  const TuningRecord& record = outcomes[0].record;
  INFO(outcomes[0].error);
  REQUIRE(outcomes[0].state == TuningState::kTuned);
  CHECK(record.device.name == devices[0]->info().name);
  CHECK(record.winner_us > 0);
  CHECK(record.winner_us <= record.default_us);
  CHECK(record.candidates.size() > 6);
  CHECK(is_legal({record.problem, record.winner, record.arch}));
  for (const CandidateResult& row : record.candidates) {
    INFO(row.error);
    CHECK(row.error.find("differs") == std::string::npos);  // none is wrong
  }
  const auto again = run_tuning(devices, problems, {record}, options);
  CHECK(again[0].state == TuningState::kPresent);

  Runtime runtime({.backend = Backend::kCuda, .cache_dir = cache.path()});
  const VariantInfo info = runtime.prepare(workload_args(problems[0].problem, problems[0].shape));
  CHECK(info.selected_by == "record exact");
  CHECK(info.config.tiling == record.winner);
}

TEST_CASE("another family's output passes verification, and is timed beside the default's") {
  const TempDir cache;
  const Settings settings = settings_with(cache);
  CudaTuningDevice device(settings, 0, tuning_policy(), make_logger({}, settings));
  TuningProblem problem = small_problem();
  problem.problem.mask = MaskKind::kCausal;
  const std::vector<Tiling> tilings = {tuning_space(problem, device.info()).default_tiling,
                                       {.family = Family::kSimt, .block_m = 64, .block_n = 64}};
  const auto target = device.open(problem);
  for (const Tiling& tiling : tilings) {
    CHECK(target->compile(tiling) == "");
    CHECK(target->verify(tiling) == "");
  }
  const auto timings = target->time(tilings, 5);
  REQUIRE(timings.size() == 2);
  CHECK(timings[0].ratio == 1);
  CHECK(timings[1].ratio > 0);
}

TEST_CASE("on first use the GPU is tuned and the next Runtime finds the record") {
  register_first_use_tuner();
  const TempDir cache;
  Options options{.backend = Backend::kCuda, .cache_dir = cache.path()};
  options.tune = TuneMode::kOnFirstUse;
  options.tune_seconds = 6;
  const TuningProblem problem = small_problem();
  const AttentionArgs args = workload_args(problem.problem, problem.shape);
  CHECK(Runtime(options).prepare(args).selected_by == "record exact");
  options.tune = TuneMode::kRecord;
  CHECK(Runtime(options).prepare(args).selected_by == "record exact");
}

}  // namespace
}  // namespace flashjit::test
