#include "cli/ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "flashjit/error.h"
#include "kernel_src/variant_plan.h"
#include "select.h"
#include "sm90_tiling.h"

namespace flashjit::cli {
namespace {

// Consumer warps of the tile that the sm90 steps begin with: two warpgroups, as FlashAttention-3.
constexpr int kFirstWarps = 8;

std::optional<Tiling> two_warpgroups(const Problem& problem, const Tiling& best) {
  if (best.num_warps == kFirstWarps) return best;
  for (const Tiling& t : sm90_default_candidates(problem)) {
    if (t.num_warps == kFirstWarps) return t;
  }
  return std::nullopt;
}

// TMA, wgmma and warp specialisation with nothing on top.
Tiling without_techniques(Tiling t) {
  t.num_q_stages = t.cluster_size = 1;
  t.overlap = t.ping_pong = t.skip_masked = t.row_sum_by_mma = false;
  t.schedule = Schedule::kOneTile;
  t.rescale = Rescale::kEager;
  t.epilogue = Epilogue::kDirect;
  return t;
}

void take_tile(Tiling& t, const Tiling& from) {
  t.block_m = from.block_m;
  t.block_n = from.block_n;
  t.num_stages = from.num_stages;
  t.num_warps = from.num_warps;
  t.ping_pong = from.ping_pong;
  t.producer_regs = from.producer_regs;
  t.consumer_regs = from.consumer_regs;
}

void take_epilogue(Tiling& t, const Tiling& from) {
  t.epilogue = from.epilogue;
  t.num_q_stages = from.num_q_stages;
}

std::string tile_step_name(const Tiling& best) {
  return fmt::format("{} warpgroups, {}×{}", sm90_num_warpgroups(best), best.block_m, best.block_n);
}

// Collects tilings that are legal and not there yet.
class Rungs {
 public:
  Rungs(const Problem& problem, const Arch& arch) : problem_(problem), arch_(arch) {}

  void add(const std::string& name, const Tiling& tiling) {
    const auto same = [&](const Rung& rung) { return rung.tiling == tiling; };
    if (std::none_of(rungs_.begin(), rungs_.end(), same) &&
        is_legal({.problem = problem_, .tiling = tiling, .arch = arch_}))
      rungs_.push_back({name, tiling});
  }
  std::vector<Rung> take() { return std::move(rungs_); }

 private:
  Problem problem_;
  Arch arch_;
  std::vector<Rung> rungs_;
};

std::vector<Rung> steps_to(const Tiling& best,
                           const Tiling& two,
                           const Problem& problem,
                           const ProblemShape& shape,
                           const Arch& arch) {
  Rungs steps(problem, arch);
  steps.add("minimal kernel (simt)", default_simt_tiling(problem, arch));
  steps.add("mma.sync, cp.async (sm80)", default_sm80_tiling(problem, arch, shape.seqlen_q));
  Tiling t = without_techniques(two);
  steps.add("wgmma, TMA, a producer warpgroup", t);
  const auto add = [&](const std::string& name, const std::function<void(Tiling&)>& change) {
    change(t);
    steps.add("+ " + name, t);
  };
  add("Q·Kᵀ of the next block before P·V", [](Tiling& s) { s.overlap = true; });
  add("ping-pong", [](Tiling& s) { s.ping_pong = true; });
  if (best.rescale != Rescale::kEager) {
    add("lazy maximum", [](Tiling& s) { s.rescale = Rescale::kLazy; });
    add("optimistic exponentials", [&](Tiling& s) { s.rescale = best.rescale; });
  }
  if (best.num_warps != kFirstWarps)
    add(tile_step_name(best), [&](Tiling& s) { take_tile(s, best); });
  add("persistent CTAs", [&](Tiling& s) {
    s.schedule = best.schedule == Schedule::kOneTile ? Schedule::kOneTile : Schedule::kStatic;
  });
  add("dynamic schedule, longest tiles first", [&](Tiling& s) { s.schedule = best.schedule; });
  add("masked blocks skipped by warpgroup", [&](Tiling& s) { s.skip_masked = best.skip_masked; });
  add(best.epilogue == Epilogue::kThroughQ ? "O through Q's buffer, by TMA" : "O staged, by TMA",
      [&](Tiling& s) { take_epilogue(s, best); });
  add("row sums by wgmma", [&](Tiling& s) { s.row_sum_by_mma = best.row_sum_by_mma; });
  add("ping-pong off again", [&](Tiling& s) { s.ping_pong = best.ping_pong; });
  add("clusters of two share K and V", [&](Tiling& s) { s.cluster_size = best.cluster_size; });
  steps.add("the heuristic's choice", best);
  return steps.take();
}

std::vector<Rung> without_one(const Tiling& best,
                              const Tiling& two,
                              const Problem& problem,
                              const Arch& arch) {
  Rungs rungs(problem, arch);
  rungs.add("the heuristic's choice", best);
  const auto change = [&](const std::string& name, const std::function<void(Tiling&)>& change) {
    Tiling t = best;
    change(t);
    rungs.add(name, t);
  };
  change("no overlap", [](Tiling& t) { t.overlap = false; });
  change(best.ping_pong ? "no ping-pong" : "with ping-pong",
         [](Tiling& t) { t.ping_pong = !t.ping_pong; });
  change("lazy maximum", [](Tiling& t) { t.rescale = Rescale::kLazy; });
  change("maximum and rescale in every step", [](Tiling& t) { t.rescale = Rescale::kEager; });
  rungs.add("two warpgroups", two);
  change("one tile per CTA", [](Tiling& t) { t.schedule = Schedule::kOneTile; });
  change("static schedule", [](Tiling& t) { t.schedule = Schedule::kStatic; });
  change("masked blocks not skipped", [](Tiling& t) { t.skip_masked = false; });
  change("O from registers, one Q buffer", [](Tiling& t) {
    t.epilogue = Epilogue::kDirect;
    t.num_q_stages = 1;
  });
  change("row sums by addition", [](Tiling& t) { t.row_sum_by_mma = false; });
  change("P through shared memory, one Q buffer", [](Tiling& t) {
    t.probs_in_smem = true;
    t.epilogue = Epilogue::kDirect;
    t.num_q_stages = 1;
  });
  change(best.cluster_size == 1 ? "clusters of two share K and V" : "no clusters",
         [](Tiling& t) { t.cluster_size = t.cluster_size == 1 ? 2 : 1; });
  std::vector<Rung> all = rungs.take();
  all.erase(all.begin());  // the choice itself, which only kept equal ones out
  return all;
}

}  // namespace

Ladder make_ladder(const Problem& problem,
                   const ProblemShape& shape,
                   const Arch& arch,
                   int sm_count) {
  const std::optional<Tiling> best = default_sm90_tiling(problem, shape, arch, sm_count);
  const std::optional<Tiling> two = best ? two_warpgroups(problem, *best) : std::nullopt;
  if (!two)
    throw Error(ErrorCode::kNotSupported,
                "the ladder needs sm_90a and a problem that sm90 can run");
  return {steps_to(*best, *two, problem, shape, arch), without_one(*best, *two, problem, arch)};
}

}  // namespace flashjit::cli
