// `flashjit tune --compare A B`: do two tuning runs agree? The winners of both at every problem
// that both know, timed in pairs. With an exhaustive run as A, the ratios are the regret of B.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "autotune/sm_clock.h"
#include "cli/problem_sets.h"
#include "cli/result_file.h"
#include "cli/timed_pairs.h"
#include "cli/tune.h"
#include "cli/variants.h"
#include "log.h"
#include "tuning_record_files.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

std::vector<TuningRecord> complete_records(const std::string& path) {
  if (!std::filesystem::exists(path)) throw Error(ErrorCode::kData, path + " does not exist");
  const auto logger = make_logger({}, read_settings());
  std::vector<TuningRecord> records = read_records(path, *logger);
  std::erase_if(records, [](const TuningRecord& r) { return !r.complete; });
  if (records.empty()) throw Error(ErrorCode::kData, path + " holds no complete tuning record");
  return records;
}

// The problems of both, with the winner of each.
std::vector<TilingPair> common_pairs(const std::vector<TuningRecord>& first,
                                     const std::vector<TuningRecord>& second) {
  std::vector<TilingPair> pairs;
  for (const TuningRecord& a : first) {
    const auto b = std::find_if(
        second.begin(), second.end(), [&](const TuningRecord& r) { return same_subject(a, r); });
    if (b == second.end()) continue;
    // Records keep no strides: the dense ones again.
    const TuningProblem dense = dense_problem(a.problem, a.shape);
    pairs.push_back({dense, a.winner, b->winner});
  }
  return pairs;
}

std::string device_names(const std::vector<TuningRecord>& records) {
  std::set<std::string> names;
  for (const TuningRecord& r : records)
    names.insert(fmt::format("{} ({})", r.device.name, arch_name(r.arch)));
  return fmt::format("{}", fmt::join(names, ", "));
}

// Why the two have no pair: a record answers for its device model alone.
std::string why_nothing_in_common(const std::vector<std::string>& paths,
                                  const std::vector<TuningRecord>& first,
                                  const std::vector<TuningRecord>& second) {
  const std::string both = paths[0] + " and " + paths[1] + " have no problem in common";
  for (const TuningRecord& a : first) {
    for (const TuningRecord& b : second) {
      if (a.device == b.device && a.arch == b.arch) return both;
    }
  }
  return fmt::format(
      "{}: their devices differ, {} and {}", both, device_names(first), device_names(second));
}

}  // namespace

int tune_compare(const TuneOptions& options, Report& report) {
  const std::vector<TuningRecord> first = complete_records(options.compare[0]);
  const std::vector<TuningRecord> second = complete_records(options.compare[1]);
  const std::vector<TilingPair> pairs = common_pairs(first, second);
  if (pairs.empty())
    throw Error(ErrorCode::kData, why_nothing_in_common(options.compare, first, second));
  const Settings settings = read_settings();
  TuneOptions first_device = options;
  if (first_device.devices.empty()) first_device.devices = {0};
  CudaTuningDevice device(
      settings, first_device.devices.front(), pair_policy(), tuning_logger(settings));
  const std::vector<PairTiming> timings = time_pairs(device, pairs, report);
  Table table({{"problem", "problem"},
               {"first", "A"},
               {"second", "B"},
               {"first_us", "A µs", 1},
               {"second_us", "B µs", 1},
               {"ratio", "B / A", 4},
               {"spread", "±", 4},
               {"error", ""}});
  double worst = 0, log_sum = 0;
  int same = 0, failed = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const TilingPair& pair = pairs[i];
    const PairTiming& t = timings[i];
    const Arch arch = device.info().arch;
    table.row({short_text(pair.problem),
               tile_name({pair.problem.problem, pair.first, arch}),
               tile_name({pair.problem.problem, pair.second, arch}),
               t.first_us,
               t.second_us,
               t.ratio,
               t.spread,
               t.error});
    failed += t.error.empty() ? 0 : 1;
    if (!t.error.empty()) continue;
    same += pair.first == pair.second;
    worst = std::max(worst, std::abs(t.ratio - 1));
    log_sum += std::log(t.ratio);
  }
  const double mean = std::exp(log_sum / std::max<double>(1, double(pairs.size()) - failed));
  report.value("device", device.info().name);
  report.value("driver", nvidia_driver_version());
  report.value("date", today());
  report.value("policy", pair_policy().text());
  report.value("same_tiling", same);
  report.value("worst_deviation", worst);
  report.value("geometric_mean", mean);
  report.table("rows", "Winners of A and B on " + device.info().name, table);
  report.note(fmt::format(
      "{} of {} problems have the same winner; the largest deviation is {:.2f} %, the geometric "
      "mean of B / A {:.4f}.",
      same,
      pairs.size(),
      100 * worst,
      mean));
  return failed == 0 ? kExitOk : kExitFailure;
}

}  // namespace flashjit::cli
