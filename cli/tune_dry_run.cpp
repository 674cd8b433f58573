// `flashjit tune --dry-run`: the search space as the tuner sees it, without a GPU.
#include <fmt/format.h>

#include <algorithm>

#include "autotune/tuning_run.h"
#include "cli/problem_sets.h"
#include "cli/tune.h"
#include "cli/variants.h"
#include "kernel_src/variant_plan.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

Table space_table(const TuningProblem& problem,
                  const TuningSpace& space,
                  const Arch& arch,
                  int limit) {
  Table table({{"rank", "rank"},
               {"variant", ""},
               {"tiling", "tiling"},
               {"estimate_us", "estimate µs", 1},
               {"tensor_us", "tensor", 1},
               {"exp_us", "exp", 1},
               {"memory_us", "memory", 1},
               {"waves", "waves", 1},
               {"smem_bytes", "smem B"},
               {"threads", "threads"},
               {"default", "default"}});
  const std::size_t rows =
      limit == 0 ? space.candidates.size()
                 : std::min<std::size_t>(static_cast<std::size_t>(limit), space.candidates.size());
  for (std::size_t i = 0; i < rows; ++i) {
    const Candidate& c = space.candidates[i];
    const KernelConfig config{problem.problem, c.tiling, arch};
    table.row({i + 1,
               variant_name(config),
               tile_name(config),
               c.estimate.time_us,
               c.estimate.tensor_us,
               c.estimate.exp_us,
               c.estimate.memory_us,
               c.estimate.waves,
               smem_bytes(config),
               num_threads(config),
               c.tiling == space.default_tiling});
  }
  return table;
}

}  // namespace

int tune_dry_run(const TuneOptions& options, Report& report) {
  DeviceInfo device;
  device.arch = require_arch(options.arch);
  device.sm_count = usual_sm_count(device.arch);
  device.name = arch_name(device.arch);
  Table summary({{"problem", "problem"},
                 {"family", "family"},
                 {"legal", "legal"},
                 {"refused", "refused"},
                 {"measured_first", "first round"},
                 {"default_rank", "default's rank"},
                 {"reasons", ""}});
  Json spaces = Json::array();
  const std::vector<TuningProblem> problems = tune_problems(options);
  for (const TuningProblem& problem : problems) {
    const TuningSpace space = tuning_space(problem, device, parse_family(options.family));
    const Family family = parse_family(options.family).value_or(space.default_tiling.family);
    const auto refused = refused_tilings(family, problem.problem, device.arch);
    int refused_count = 0;
    for (const auto& [reason, count] : refused) refused_count += count;
    const auto at =
        std::find_if(space.candidates.begin(), space.candidates.end(), [&](const Candidate& c) {
          return c.tiling == space.default_tiling;
        });
    summary.row({short_text(problem),
                 to_string(family),
                 space.candidates.size(),
                 refused_count,
                 shortlist(space.candidates, options.shortlist, TunerOptions{}.per_tile).size(),
                 at == space.candidates.end() ? Json() : Json(at - space.candidates.begin() + 1),
                 refused});
    const Table table = space_table(problem, space, device.arch, options.limit);
    if (problems.size() == 1) {
      report.table("candidates", short_text(problem) + " on " + device.name, table);
      for (const auto& [reason, count] : refused)
        report.line(fmt::format("  {} refused: {}", count, reason), 4);
    } else {
      spaces.push_back({{"problem", short_text(problem)}, {"candidates", table.to_json()}});
    }
  }
  report.value("arch", arch_name(device.arch));
  if (problems.size() > 1) report.value("spaces", std::move(spaces));
  report.table("problems", "Search spaces for " + device.name, summary);
  report.note(
      "Estimates rank by arithmetic alone: matrix products, exponentials, bytes through L2, waves. "
      "They are coarse: on an H100 winners stood at ranks such as 36 of 206340 and 311 of 22290. "
      "The tuner measures the first ones, of all tiles, and finds the rest by walking from the "
      "fastest.");
  return kExitOk;
}

}  // namespace flashjit::cli
