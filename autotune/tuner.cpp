#include "tuner.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "candidate_rows.h"
#include "flashjit/error.h"
#include "neighbours.h"
#include "tiling_set.h"

namespace flashjit {
namespace {

constexpr int kFirstRounds = 3;
constexpr std::size_t kBatch = 24;     // candidates that are timed together
constexpr std::size_t kMostKept = 64;  // by the first pass of halving
constexpr double kSearchShare = 0.7;   // of the time; the rest is for the finals

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// One tuning run: the rows measured so far and the rules for what is measured next.
class Search {
 public:
  Search(TuningTarget& target,
         const std::vector<Candidate>& space,
         const Tiling& default_tiling,
         const TunerOptions& options)
      : target_(target), space_(space), default_(default_tiling), options_(options) {
    if (options.pool == nullptr) own_pool_.emplace(0);
    result_.default_tiling = default_;
    result_.legal = static_cast<int>(space.size());
  }

  TuningResult run() {
    require_default();
    try {
      rows_.adopt(options_.known, default_);
      measure_new(first_candidates());
      halve();
      // The switches multiply too far to list: walk from the leader, one field at a time, while it
      // pays.
      for (int hop = 0; hop < 3 && !options_.exhaustive && !stopped(); ++hop) {
        const Tiling leader = leader_of_space();
        measure_new(likely_neighbours(leader));
        if (leader_of_space() == leader) break;
      }
      finals();
    } catch (const Error& error) {
      result_.error = error.what();
      result_.error_code = error.code();
    }
    if (!result_.complete) {
      // Without paired finals nothing is proven: the default stays.
      result_.winner = default_;
      result_.default_us = result_.winner_us = default_us();
    }
    result_.candidates = rows_.take();
    return std::move(result_);
  }

 private:
  double now() const { return options_.clock ? options_.clock() : steady_seconds(); }
  bool cancelled() const { return options_.cancel != nullptr && options_.cancel->load(); }
  bool stopped() const { return cancelled() || now() >= start_ + kSearchShare * options_.seconds; }
  double default_us() const { return rows_.find(default_)->time_us; }

  void require_default() {
    std::string error = target_.compile(default_);
    if (error.empty()) error = target_.verify(default_);
    Timing timing;
    if (error.empty()) {
      timing = target_.time({&default_, 1}, kFirstRounds).front();
      error = timing.error;
    }
    if (!error.empty())
      throw Error(ErrorCode::kNotSupported, "the default tiling cannot be tuned against: " + error);
    verified_.insert(default_);
    rows_.write({default_, timing.median_us, timing.spread_us, ""});
  }

  std::vector<Tiling> first_candidates() const {
    std::vector<Tiling> first = options_.seeds;
    for (const Candidate& c : shortlist(space_, options_.shortlist, options_.per_tile))
      first.push_back(c.tiling);
    if (options_.exhaustive) {
      for (const Candidate& c : space_) first.push_back(c.tiling);
    }
    return first;
  }

  // Those that the estimate likes best, and no more than are timed together.
  std::vector<Tiling> likely_neighbours(const Tiling& leader) const {
    std::vector<Tiling> found = neighbours(leader, space_);
    if (found.size() > kBatch) found.resize(kBatch);
    return found;
  }

  // Compiles, verifies and times once what has no row yet.
  void measure_new(const std::vector<Tiling>& tilings) {
    TilingSet seen;
    std::vector<Tiling> fresh;
    for (const Tiling& t : tilings) {
      if (rows_.find(t) == nullptr && seen.insert(t).second) fresh.push_back(t);
    }
    planned_ += static_cast<int>(fresh.size());
    prepare(
        fresh,
        [this] { return stopped(); },
        [this](const std::vector<Tiling>& good) { time_all(good, kFirstRounds); });
  }

  // Compiles in the pool, verifies, and hands over what is right as it comes, until `stop` says so.
  void prepare(const std::vector<Tiling>& tilings,
               const std::function<bool()>& stop,
               const std::function<void(const std::vector<Tiling>&)>& use) {
    if (tilings.empty() || stop()) return;
    CompilePool& pool = options_.pool != nullptr ? *options_.pool : *own_pool_;
    CompileQueue queue(pool, tilings, [this](const Tiling& t) { return target_.compile(t); });
    while (!stop()) {
      const auto batch = queue.next(kBatch, stop);
      if (batch.empty()) return;
      std::vector<Tiling> good;
      for (const CompileQueue::Done& done : batch) {
        if (is_right(done.tiling, done.error)) good.push_back(done.tiling);
      }
      use(good);
    }
  }

  // Leaves out what is not right. A row of an earlier process has to prove itself in this one.
  void keep_right(std::vector<Tiling>& tilings, const std::function<bool()>& stop) {
    const auto is_unproven = [this](const Tiling& t) { return !verified_.contains(t); };
    std::vector<Tiling> unproven;
    std::copy_if(tilings.begin(), tilings.end(), std::back_inserter(unproven), is_unproven);
    prepare(unproven, stop, [](const std::vector<Tiling>&) {});
    std::erase_if(tilings, is_unproven);
  }

  // Verifies what was compiled; a failure becomes its row.
  bool is_right(const Tiling& tiling, std::string error) {
    try {
      if (error.empty()) error = target_.verify(tiling);
    } catch (const Error& lost) {
      fail(tiling, lost.what());
      throw;
    }
    if (!error.empty()) {
      fail(tiling, error);
      return false;
    }
    verified_.insert(tiling);
    return true;
  }

  void fail(const Tiling& tiling, const std::string& error) { rows_.write({tiling, 0, 0, error}); }

  // Those that compete with the default, fastest first.
  std::vector<Tiling> challengers() const {
    std::vector<Tiling> ranked = rows_.ranking();
    std::erase(ranked, default_);
    return ranked;
  }

  // The default and the seeds may be of another family, which has no neighbours in the space.
  Tiling leader_of_space() const {
    const std::vector<Tiling> ranked = rows_.ranking();
    const auto at = std::find_if(ranked.begin(), ranked.end(), [this](const Tiling& t) {
      return !space_.empty() && t.family == space_.front().tiling.family;
    });
    return at == ranked.end() ? ranked.front() : *at;
  }

  // Fewer candidates, more rounds. Those that a pass drops stay out of the ranking: of hundreds the
  // ones whose few rounds were the luckiest would come before those that more rounds have
  // corrected.
  void halve() {
    const std::size_t fewest = 2 * static_cast<std::size_t>(std::max(options_.finalists, 0));
    std::vector<Tiling> kept = challengers();
    for (int rounds = 4; rounds <= 16 && kept.size() > fewest && !stopped(); rounds *= 2) {
      const std::size_t keep = std::clamp(kept.size() / 3, fewest, std::max(fewest, kMostKept));
      for (std::size_t i = keep; i < kept.size(); ++i) rows_.leave_behind(kept[i]);
      kept.resize(keep);
      keep_right(kept, [this] { return stopped(); });
      time_in_batches(kept, rounds);
      kept = challengers();
    }
  }

  // Until time is up.
  void time_in_batches(std::span<const Tiling> tilings, int rounds) {
    for (std::size_t at = 0; at < tilings.size() && !stopped(); at += kBatch)
      time_all(tilings.subspan(at, std::min(kBatch, tilings.size() - at)), rounds);
  }

  // Times challengers beside the default and writes their rows: as shares of the default's time, so
  // that rows of different minutes and clocks compare.
  std::vector<Timing> time_all(std::span<const Tiling> tilings, int rounds) {
    if (tilings.empty()) return {};
    std::vector<Tiling> all = {default_};
    all.insert(all.end(), tilings.begin(), tilings.end());
    std::vector<Timing> timings = target_.time(all, rounds);
    if (!timings[0].error.empty())
      throw Error(ErrorCode::kNotSupported, "the default tiling runs no more: " + timings[0].error);
    for (std::size_t i = 1; i < all.size(); ++i) {
      const Timing& t = timings[i];
      if (t.error.empty()) {
        rows_.write({all[i], t.ratio * default_us(), t.spread_us, ""});
      } else {
        fail(all[i], t.error);
      }
    }
    report();
    return timings;
  }

  // The best challengers that are right in this process; those that are not leave the ranking, and
  // the next ones take their places: until the time is up, and after it only while none is right.
  std::vector<Tiling> right_finalists() {
    const auto wanted = static_cast<std::size_t>(std::max(options_.finalists, 0));
    const auto keep_first = [wanted](std::vector<Tiling> tilings) {
      if (tilings.size() > wanted) tilings.resize(wanted);
      return tilings;
    };
    const auto is_unproven = [this](const Tiling& t) { return !verified_.contains(t); };
    while (!cancelled()) {
      std::vector<Tiling> best = keep_first(challengers());
      if (std::none_of(best.begin(), best.end(), is_unproven)) return best;
      keep_right(best, [this] { return cancelled(); });
      std::vector<Tiling> right = challengers();
      std::erase_if(right, is_unproven);
      if (!right.empty() && now() >= start_ + options_.seconds) return keep_first(right);
    }
    return {};
  }

  // The finalists and the default in the same rounds; the default wins ties. Held however late it
  // is, if only something was measured: without them all of it would prove nothing.
  void finals() {
    const std::vector<Tiling> finalists = right_finalists();
    if (finalists.empty()) return;
    const std::vector<Timing> timings = time_all(finalists, options_.final_rounds);
    // All rows are shares of the default's time, which the finals know best.
    rows_.rescale(timings[0].median_us / default_us());
    rows_.write({default_, timings[0].median_us, timings[0].spread_us, ""});
    result_.rounds = timings[0].rounds;
    result_.default_us = default_us();
    result_.winner = default_;
    double best = 1 - options_.tie;
    for (std::size_t i = 0; i < finalists.size(); ++i) {
      const Timing& t = timings[i + 1];
      if (!t.error.empty() || t.ratio >= best) continue;
      best = t.ratio;
      result_.winner = finalists[i];
    }
    result_.winner_us = rows_.find(result_.winner)->time_us;
    result_.complete = true;
    report();
  }

  void report() {
    if (!options_.progress) return;
    const int done = static_cast<int>(rows_.size());
    const CandidateResult& leader = rows_.leader();
    options_.progress(
        {done, std::max(planned_, done), leader.tiling, leader.time_us, default_us()});
  }

  TuningTarget& target_;
  const std::vector<Candidate>& space_;
  const Tiling default_;
  const TunerOptions& options_;
  std::optional<CompilePool> own_pool_;
  const double start_ = now();
  TuningResult result_;
  CandidateRows rows_;
  TilingSet verified_;  // compiled and right, in this process
  int planned_ = 1;
};

}  // namespace

TuningResult tune(TuningTarget& target,
                  const std::vector<Candidate>& space,
                  const Tiling& default_tiling,
                  const TunerOptions& options) {
  return Search(target, space, default_tiling, options).run();
}

}  // namespace flashjit
