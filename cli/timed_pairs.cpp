#include "cli/timed_pairs.h"

#include <fmt/format.h>

#include <array>

#include "cli/problem_sets.h"
#include "flashjit/error.h"

namespace flashjit::cli {
namespace {

void compile_all(CudaTuningDevice& device, const std::vector<TilingPair>& pairs) {
  CompilePool pool(0);
  std::vector<std::unique_ptr<CompileQueue>> queues;
  for (const TilingPair& pair : pairs) {
    queues.push_back(std::make_unique<CompileQueue>(
        pool, std::vector{pair.first, pair.second}, [&device, &pair](const Tiling& tiling) {
          device.compile_ahead({pair.problem.problem, tiling, device.info().arch});
          return std::string();
        }));
  }
  for (const auto& queue : queues) {
    while (!queue->next(2, [] { return false; }).empty()) {
    }
  }
}

PairTiming time_pair(CudaTuningDevice& device, const TilingPair& pair) {
  PairTiming result;
  try {
    const std::unique_ptr<TuningTarget> target = device.open(pair.problem);
    std::vector<Tiling> tilings = {pair.first};
    if (pair.second != pair.first) tilings.push_back(pair.second);
    for (const Tiling& tiling : tilings) {
      result.error = target->compile(tiling);
      if (result.error.empty()) result.error = target->verify(tiling);
      if (!result.error.empty()) return result;
    }
    const std::vector<Timing> timings = target->time(tilings, pair_policy().rounds);
    const Timing& second = timings.back();
    result.error = timings[0].error + second.error;
    result.sm_clock_mhz = target->sm_clock_mhz();
    result.first_us = timings[0].median_us;
    result.second_us = second.median_us;
    result.ratio = second.ratio;
    result.spread = second.median_us > 0 ? second.spread_us / second.median_us : 0;
  } catch (const Error& error) {
    result.error = error.what();
  }
  return result;
}

}  // namespace

MeasurePolicy pair_policy() {
  return {.rounds = 200, .min_rounds = 5, .max_seconds = 1.0, .warmup_ms = 30};
}

std::vector<PairTiming> time_pairs(CudaTuningDevice& device,
                                   const std::vector<TilingPair>& pairs,
                                   Report& report) {
  report.progress(fmt::format("compiling {} variants …", 2 * pairs.size()));
  compile_all(device, pairs);
  std::vector<PairTiming> timings;
  for (const TilingPair& pair : pairs) {
    report.progress(
        fmt::format("{} of {}: {} …", timings.size() + 1, pairs.size(), short_text(pair.problem)));
    timings.push_back(time_pair(device, pair));
  }
  return timings;
}

}  // namespace flashjit::cli
