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

constexpr std::size_t kUsualRows = 10;

using Position = std::vector<Candidate>::const_iterator;

Position find_default(const TuningSpace& space) {
  return std::find_if(space.candidates.begin(), space.candidates.end(), [&](const Candidate& c) {
    return c.tiling == space.default_tiling;
  });
}

// `rank`: null for a tiling of another family than that of the space, which is then named.
void add_row(
    Table& table, const KernelConfig& config, const Estimate& e, const Json& rank, bool chosen) {
  const std::string family =
      rank.is_null() ? to_string(config.tiling.family) + std::string(" ") : "";
  table.row({rank,
             variant_name(config),
             family + tile_name(config),
             e.time_us,
             e.tensor_us,
             e.exp_us,
             e.memory_us,
             e.waves,
             smem_bytes(config),
             num_threads(config),
             chosen});
}

// The first `limit` candidates, then the default tiling where it is none of them.
Table space_table(const TuningProblem& problem,
                  const TuningSpace& space,
                  const DeviceInfo& device,
                  std::size_t limit) {
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
      limit == 0 ? space.candidates.size() : std::min(limit, space.candidates.size());
  for (std::size_t i = 0; i < rows; ++i) {
    const Candidate& c = space.candidates[i];
    add_row(table,
            {problem.problem, c.tiling, device.arch},
            c.estimate,
            i + 1,
            c.tiling == space.default_tiling);
  }
  const auto at = static_cast<std::size_t>(find_default(space) - space.candidates.begin());
  if (at < rows) return table;
  const KernelConfig config{problem.problem, space.default_tiling, device.arch};
  add_row(table,
          config,
          estimate_time(config, problem.shape, device),
          at < space.candidates.size() ? Json(at + 1) : Json(),
          true);
  return table;
}

Table summary_table() {
  return Table({{"problem", "problem"},
                {"family", "family"},
                {"legal", "legal"},
                {"refused", "refused"},
                {"measured_first", "first round"},
                {"default_rank", "default's rank"},
                {"reasons", ""}});
}

// One problem: its candidates in text, or for `spaces`, and its line of the summary. Returns
// whether any tiling is legal.
bool show_space(const TuneOptions& options,
                const TuningProblem& problem,
                const DeviceInfo& device,
                bool is_only,
                Table& summary,
                Json& spaces,
                Report& report) {
  const TuningSpace space = tuning_space(problem, device, parse_family(options.family));
  const Family family = parse_family(options.family).value_or(space.default_tiling.family);
  const auto refused = refused_tilings(family, problem.problem, device.arch);
  int refused_count = 0;
  for (const auto& [reason, count] : refused) refused_count += count;
  const Position at = find_default(space);
  summary.row({short_text(problem),
               to_string(family),
               space.candidates.size(),
               refused_count,
               shortlist(space.candidates, options.shortlist, TunerOptions{}.per_tile).size(),
               at == space.candidates.end() ? Json() : Json(at - space.candidates.begin() + 1),
               refused});
  const std::size_t limit = options.limit ? static_cast<std::size_t>(*options.limit) : kUsualRows;
  const Table table = space_table(problem, space, device, limit);
  const std::string title = short_text(problem) + " on " + arch_name(device.arch) + ", times in µs";
  if (is_only) {
    report.table("candidates", title, table);
  } else {
    spaces.push_back({{"problem", short_text(problem)}, {"candidates", table.to_json()}});
    if (options.limit && !report.json()) report.table("candidates", title, table);
  }
  if (is_only) {
    for (const auto& [reason, count] : refused)
      report.line(fmt::format("  {} refused: {}", count, reason), 4);
  }
  if (!space.candidates.empty()) return true;
  std::string reasons;
  for (const auto& [reason, count] : refused) reasons += (reasons.empty() ? "" : "; ") + reason;
  report.note(fmt::format("{}: no {} tiling is legal on {}: {}.",
                          short_text(problem),
                          to_string(family),
                          arch_name(device.arch),
                          reasons));
  return false;
}

}  // namespace

int tune_dry_run(const TuneOptions& options, Report& report) {
  DeviceInfo device;
  device.arch = require_arch(options.arch);
  device.sm_count = usual_sm_count(device.arch);
  device.name = "a GPU of that architecture";
  Table summary = summary_table();
  Json spaces = Json::array();
  const std::vector<TuningProblem> problems = tune_problems(options);
  bool all_legal = true;
  for (const TuningProblem& problem : problems) {
    const bool legal =
        show_space(options, problem, device, problems.size() == 1, summary, spaces, report);
    all_legal = all_legal && legal;
  }
  report.value("arch", arch_name(device.arch));
  if (problems.size() > 1) report.value("spaces", std::move(spaces));
  report.table("problems", "Search spaces for " + arch_name(device.arch), summary);
  if (const std::string left_out = arch_note(device.arch); !left_out.empty()) report.note(left_out);
  report.note(
      "Estimates rank by arithmetic alone: matrix products, exponentials, bytes through L2, waves. "
      "They are coarse: the fastest tiling can stand hundreds of ranks below the first. The tuner "
      "measures the first ones, of all tiles, and finds the rest by walking from the fastest.");
  return all_legal ? kExitOk : kExitFailure;
}

}  // namespace flashjit::cli
