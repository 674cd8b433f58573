#include "cli/bench_tuned.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autotune/sm_clock.h"
#include "cli/problem_sets.h"
#include "cli/program.h"
#include "cli/result_file.h"
#include "cli/timed_pairs.h"
#include "cli/tune.h"
#include "cli/variants.h"
#include "select.h"
#include "tuned_tilings.h"
#include "tuning_record_files.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

// The records of a directory or a file, or of all layers.
TuningRecords find_records(const BenchTunedOptions& options, const Settings& settings) {
  const auto logger = make_logger({}, settings);
  if (!options.records.empty()) {
    std::vector<TuningRecord> records = read_records(options.records, *logger);
    if (records.empty()) throw Error(ErrorCode::kData, options.records + " holds no tuning record");
    return TuningRecords(std::move(records));
  }
  return visible_records(settings, *logger);
}

struct Point {
  AttentionProblem problem;
  TilingPair pair;  // default and tuned
  RecordMatch match = RecordMatch::kNone;
};

std::vector<Point> find_points(const TuningRecords& records,
                               const CudaTuningDevice& device,
                               Dtype dtype) {
  std::vector<Point> points;
  for (const AttentionProblem& problem : grid_problems(dtype)) {
    const TuningProblem tuning = to_tuning_problem(problem);
    const Tiling chosen = tuning_space(tuning, device.info()).default_tiling;
    const RecordLookup found = records.find(device_model(device.info()),
                                            device.info().arch,
                                            tuning.problem,
                                            tuning.shape,
                                            device.digests());
    const Tiling tuned = found.record == nullptr ? chosen : found.record->winner;
    points.push_back({problem, {tuning, chosen, tuned}, found.match});
  }
  return points;
}

Table point_table() {
  return Table({{"head_dim", "D"},
                {"causal", "causal"},
                {"seqlen", "S"},
                {"batch", "B"},
                {"heads", "H"},
                {"dtype", ""},
                {"default", "default", 1},
                {"tuned", "tuned", 1},
                {"ratio", "ratio", 3},
                {"spread", "±", 4},
                {"sm_clock_mhz", ""},
                {"match", "record"},
                {"default_variant", ""},
                {"tuned_variant", ""},
                {"tuned_tiling", "tuned tiling"},
                {"error", ""}});
}

void add_row(Table& table, const Point& point, const PairTiming& t, const Arch& arch) {
  const AttentionProblem& p = point.problem;
  const KernelConfig base{point.pair.problem.problem, point.pair.first, arch};
  const KernelConfig tuned{point.pair.problem.problem, point.pair.second, arch};
  const auto tflops = [&](double us) { return us > 0 ? Json(p.flops() / us / 1e6) : Json(); };
  table.row({p.head_dim,
             p.causal,
             p.seqlen_q,
             p.batch,
             p.num_heads_q,
             to_string(p.dtype),
             tflops(t.first_us),
             tflops(t.second_us),
             t.error.empty() ? Json(1 / t.ratio) : Json(),
             t.spread,
             t.sm_clock_mhz > 0 ? Json(t.sm_clock_mhz) : Json(),
             to_string(point.match),
             variant_name(base),
             variant_name(tuned),
             tile_name(tuned),
             t.error});
}

Json document(const CudaTuningDevice& device, const Table& table, double gain, double least) {
  return {{"device", device.info().name},
          {"driver", nvidia_driver_version()},
          {"cuda_driver", device.info().driver_version},
          {"date", today()},
          {"command", "flashjit tune --grid, then flashjit bench --tuned-grid"},
          {"policy", pair_policy().text()},
          {"unit", "TFLOP/s; ratio: median over the rounds of default time / tuned time"},
          {"geometric_mean_gain", gain},
          {"least_ratio", least},
          {"rows", table.to_json()}};
}

}  // namespace

int bench_tuned(const BenchTunedOptions& options, Dtype dtype, Report& report) {
  const Settings settings = read_settings();
  const TuningRecords records = find_records(options, settings);
  if (!options.out.empty()) require_output_file(options.out);
  CudaTuningDevice device(settings, options.device, pair_policy(), tuning_logger(settings));
  const std::vector<Point> points = find_points(records, device, dtype);
  std::vector<TilingPair> pairs;
  for (const Point& point : points) pairs.push_back(point.pair);
  const std::vector<PairTiming> timings = time_pairs(device, pairs, report);
  Table table = point_table();
  double log_sum = 0, least = 1e9;
  int measured = 0, untuned = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    add_row(table, points[i], timings[i], device.info().arch);
    untuned += points[i].match != RecordMatch::kExact;
    if (!timings[i].error.empty()) continue;
    ++measured;
    log_sum -= std::log(timings[i].ratio);
    least = std::min(least, 1 / timings[i].ratio);
  }
  const double gain = std::exp(log_sum / std::max(1, measured));
  const Json result = document(device, table, gain, least);
  for (const auto& [key, value] : result.items()) {
    if (key != "rows") report.value(key, value);
  }
  report.table("rows", "Default and tuned, TFLOP/s, on " + device.info().name, table);
  report.note(
      fmt::format("Geometric mean of tuned / default over {} points: {:.4f}; least {:.4f}. "
                  "{} points without an exact record.",
                  measured,
                  gain,
                  least,
                  untuned));
  if (!options.out.empty()) write_output_file(options.out, result.dump(1) + "\n");
  return measured == static_cast<int>(points.size()) ? kExitOk : kExitFailure;
}

}  // namespace flashjit::cli
