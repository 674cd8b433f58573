#include "tuner.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "flashjit/error.h"

namespace flashjit {
namespace {

using Clock = std::chrono::steady_clock;

// Compiles on its own threads and hands over what is done, in any order.
class CompileQueue {
 public:
  CompileQueue(TuningTarget& target, std::vector<Tiling> tilings, int num_threads)
      : target_(target), waiting_(tilings.begin(), tilings.end()), outstanding_(tilings.size()) {
    if (num_threads <= 0)
      num_threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    num_threads = std::min<int>(num_threads, static_cast<int>(tilings.size()));
    for (int i = 0; i < num_threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~CompileQueue() {
    {
      const std::lock_guard lock(mutex_);
      waiting_.clear();
    }
    for (std::thread& thread : threads_) thread.join();
  }

  struct Done {
    Tiling tiling;
    std::string error;
  };
  // The next compiled tiling; nothing when all were handed over or `deadline` has passed.
  std::optional<Done> next(Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    if (outstanding_ == 0) return std::nullopt;
    if (!ready_.wait_until(lock, deadline, [this] { return !done_.empty(); })) return std::nullopt;
    Done done = std::move(done_.front());
    done_.pop_front();
    --outstanding_;
    return done;
  }

 private:
  void work() {
    while (true) {
      Tiling tiling;
      {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty()) return;
        tiling = waiting_.front();
        waiting_.pop_front();
      }
      std::string error = target_.compile(tiling);
      {
        const std::lock_guard lock(mutex_);
        done_.push_back({tiling, std::move(error)});
      }
      ready_.notify_one();
    }
  }

  TuningTarget& target_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Tiling> waiting_;
  std::deque<Done> done_;
  std::size_t outstanding_;
  std::vector<std::thread> threads_;
};

// One tuning run: the rows measured so far and the rules for what is measured next.
class Search {
 public:
  Search(TuningTarget& target,
         const std::vector<Candidate>& space,
         const Tiling& default_tiling,
         const TunerOptions& options)
      : target_(target), space_(space), default_(default_tiling), options_(options) {}

  TuningResult run() {
    require_default();
    try {
      std::vector<Tiling> first;
      for (const Candidate& c : shortlist(space_, options_.shortlist, options_.per_tile))
        first.push_back(c.tiling);
      measure_new(first);
      halve();
      // The switches multiply too far to list: walk from the leader, one field at a time, while it
      // pays.
      for (int hop = 0; hop < 3 && !stopped(); ++hop) {
        const Tiling leader = ranking().front();
        measure_new(neighbours(leader, space_));
        if (ranking().front() == leader) break;
      }
      finals();
      result_.complete = !stopped();
    } catch (const Error& error) {
      result_.error = error.what();
    }
    if (result_.winner_us == 0) decide_without_finals();
    return std::move(result_);
  }

 private:
  bool stopped() const {
    return Clock::now() >= deadline_ || (options_.cancel != nullptr && options_.cancel->load());
  }

  CandidateResult* row(const Tiling& tiling) {
    for (CandidateResult& r : result_.candidates) {
      if (r.tiling == tiling) return &r;
    }
    return nullptr;
  }

  void require_default() {
    std::string error = target_.compile(default_);
    if (error.empty()) error = target_.verify(default_);
    if (!error.empty())
      throw Error(ErrorCode::kNotSupported, "the default tiling cannot be tuned against: " + error);
    record(default_, target_.time({&default_, 1}, 3).front());
  }

  void record(const Tiling& tiling, const Timing& timing) {
    CandidateResult* known = row(tiling);
    if (known == nullptr)
      known = &result_.candidates.emplace_back(CandidateResult{tiling, 0, 0, ""});
    known->time_us = timing.median_us;
    known->spread_us = timing.spread_us;
  }

  // Compiles, verifies and times once what has no row yet.
  void measure_new(std::vector<Tiling> tilings) {
    std::erase_if(tilings, [this](const Tiling& t) { return row(t) != nullptr; });
    if (tilings.empty() || stopped()) return;
    planned_ += static_cast<int>(tilings.size());
    CompileQueue queue(target_, std::move(tilings), options_.threads);
    while (!stopped()) {
      auto done = queue.next(deadline_);
      if (!done) break;
      if (done->error.empty()) done->error = target_.verify(done->tiling);
      if (done->error.empty()) {
        record(done->tiling, target_.time({&done->tiling, 1}, 3).front());
      } else {
        result_.candidates.push_back({done->tiling, 0, 0, done->error});
      }
      report();
    }
  }

  // Timed tilings, fastest first.
  std::vector<Tiling> ranking() const {
    std::vector<const CandidateResult*> timed;
    for (const CandidateResult& r : result_.candidates) {
      if (r.error.empty()) timed.push_back(&r);
    }
    std::stable_sort(timed.begin(), timed.end(), [](const auto* a, const auto* b) {
      return a->time_us < b->time_us;
    });
    std::vector<Tiling> tilings;
    for (const CandidateResult* r : timed) tilings.push_back(r->tiling);
    return tilings;
  }

  // Fewer candidates, more rounds, each round interleaved.
  void halve() {
    for (int rounds = 4; !stopped(); rounds *= 2) {
      std::vector<Tiling> ranked = ranking();
      const int keep = std::max<int>(2 * options_.finalists, static_cast<int>(ranked.size()) / 3);
      if (static_cast<int>(ranked.size()) <= keep || rounds > 16) return;
      ranked.resize(static_cast<std::size_t>(keep));
      time_all(ranked, rounds);
    }
  }

  void time_all(const std::vector<Tiling>& tilings, int rounds) {
    const std::vector<Timing> timings = target_.time(tilings, rounds);
    for (std::size_t i = 0; i < tilings.size(); ++i) record(tilings[i], timings[i]);
    report();
  }

  // The finalists and the default in the same rounds; the default wins ties.
  void finals() {
    if (stopped()) return;
    std::vector<Tiling> finalists = ranking();
    std::erase(finalists, default_);
    if (static_cast<int>(finalists.size()) > options_.finalists) {
      finalists.resize(static_cast<std::size_t>(options_.finalists));
    }
    finalists.insert(finalists.begin(), default_);
    time_all(finalists, options_.final_rounds);
    result_.default_us = row(default_)->time_us;
    result_.winner = default_;
    result_.winner_us = result_.default_us;
    for (const Tiling& tiling : finalists) {
      const double time = row(tiling)->time_us;
      if (time < result_.winner_us && time < result_.default_us * (1 - options_.tie)) {
        result_.winner = tiling;
        result_.winner_us = time;
      }
    }
  }

  // Without paired finals nothing is proven: the default stays.
  void decide_without_finals() {
    result_.winner = default_;
    result_.default_us = result_.winner_us = row(default_)->time_us;
  }

  void report() {
    if (!options_.progress) return;
    const Tiling leader = ranking().front();
    options_.progress(
        static_cast<int>(result_.candidates.size()), planned_, leader, row(leader)->time_us);
  }

  TuningTarget& target_;
  const std::vector<Candidate>& space_;
  const Tiling default_;
  const TunerOptions& options_;
  const Clock::time_point deadline_ =
      Clock::now() +
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.seconds));
  TuningResult result_;
  int planned_ = 1;
};

int differing_fields(const Tiling& a, const Tiling& b) {
  const bool registers = a.producer_regs != b.producer_regs || a.consumer_regs != b.consumer_regs;
  const bool rows = a.block_m != b.block_m || a.num_warps != b.num_warps || registers;
  return (a.family != b.family) + rows + (a.block_n != b.block_n) + (a.num_stages != b.num_stages) +
         (a.num_q_stages != b.num_q_stages || a.epilogue != b.epilogue) + (a.overlap != b.overlap) +
         (a.ping_pong != b.ping_pong) + (a.skip_masked != b.skip_masked) +
         (a.row_sum_by_mma != b.row_sum_by_mma) + (a.schedule != b.schedule) +
         (a.rescale != b.rescale);
}

}  // namespace

std::vector<Tiling> neighbours(const Tiling& tiling, const std::vector<Candidate>& space) {
  std::vector<Tiling> found;
  for (const Candidate& candidate : space) {
    if (differing_fields(candidate.tiling, tiling) == 1) found.push_back(candidate.tiling);
  }
  return found;
}

TuningResult tune(TuningTarget& target,
                  const std::vector<Candidate>& space,
                  const Tiling& default_tiling,
                  const TunerOptions& options) {
  return Search(target, space, default_tiling, options).run();
}

}  // namespace flashjit
