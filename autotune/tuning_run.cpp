#include "tuning_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "record_directory.h"
#include "select.h"
#include "tuning_record_files.h"
#include "variant_name.h"

namespace flashjit {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// What all devices of one model do together.
struct Share {
  DeviceModel model;
  Arch arch;
  std::vector<TuningOutcome> outcomes;  // one per problem
  std::size_t next = 0;                 // problems before it were taken
  int workers = 0;
};

// The state that the workers of a run share.
class Run {
 public:
  Run(const std::vector<TuningProblem>& problems,
      const std::vector<TuningRecord>& known,
      const RunOptions& options)
      : problems_(problems), options_(options), records_(known), pool_(options.compile_threads) {}

  void join(const TuningDevice& device);
  void work(TuningDevice& device);
  std::vector<TuningOutcome> outcomes() const;

 private:
  Share& share_of(const TuningDevice& device);
  std::optional<std::size_t> take(Share& share);
  void finish(Share& share, std::size_t index, TuningOutcome outcome);
  bool cancelled() const {
    return options_.tuner.cancel != nullptr && options_.tuner.cancel->load();
  }
  std::optional<TuningRecord> find_known(const TuningDevice& device,
                                         const TuningProblem& problem,
                                         bool complete) const;
  std::optional<TuningRecord> find_enough(const TuningDevice& device,
                                          const TuningProblem& problem) const;
  std::vector<CandidateResult> known_rows(const TuningDevice& device,
                                          const TuningProblem& problem) const;
  void compile_ahead(TuningDevice& device);
  TuningOutcome tune_one(TuningDevice& device, const Share& share, std::size_t index);
  void search(TuningDevice& device, const Share& share, std::size_t index, TuningOutcome& outcome);
  TunerOptions tuner_options(const TuningDevice& device,
                             const Share& share,
                             std::size_t index) const;
  std::vector<Tiling> seeds(const TuningDevice& device, const TuningProblem& problem) const;

  const std::vector<TuningProblem>& problems_;
  const RunOptions& options_;
  const Clock::time_point start_ = Clock::now();
  mutable std::mutex mutex_;                    // of what follows
  std::vector<TuningRecord> records_;           // known, and made by this run
  std::vector<std::unique_ptr<Share>> shares_;  // in the order of the devices
  CompilePool pool_;                            // last: its jobs use what stands above
};

// Before any worker works, so that they know of how many there are.
void Run::join(const TuningDevice& device) {
  const DeviceModel model = device_model(device.info());
  for (auto& share : shares_) {
    if (share->model == model && share->arch == device.info().arch) {
      ++share->workers;
      return;
    }
  }
  Share& share = *shares_.emplace_back(std::make_unique<Share>());
  share.model = model;
  share.arch = device.info().arch;
  share.workers = 1;
  for (const TuningProblem& problem : problems_)
    share.outcomes.push_back({problem, TuningState::kNotBegun, {}, ""});
}

Share& Run::share_of(const TuningDevice& device) {
  const DeviceModel model = device_model(device.info());
  return **std::find_if(shares_.begin(), shares_.end(), [&](const auto& share) {
    return share->model == model && share->arch == device.info().arch;
  });
}

std::optional<std::size_t> Run::take(Share& share) {
  const std::lock_guard lock(mutex_);
  if (share.next == problems_.size() || cancelled()) return std::nullopt;
  return share.next++;
}

void Run::finish(Share& share, std::size_t index, TuningOutcome outcome) {
  const std::lock_guard lock(mutex_);
  if (has_record(outcome)) {
    // As on disk: what is incomplete takes the place of nothing complete.
    std::erase_if(records_, [&](const TuningRecord& old) {
      return same_subject(old, outcome.record) && (outcome.record.complete || !old.complete);
    });
    records_.push_back(outcome.record);
  }
  share.outcomes[index] = std::move(outcome);
  if (options_.on_outcome) options_.on_outcome(share.outcomes[index]);
}

// Of these kernel sources, this device model and this bucket.
std::optional<TuningRecord> Run::find_known(const TuningDevice& device,
                                            const TuningProblem& problem,
                                            bool complete) const {
  const std::lock_guard lock(mutex_);
  const FamilyDigests digests = device.digests();
  for (const TuningRecord& r : records_) {
    if (r.complete == complete && r.device == device_model(device.info()) &&
        r.arch == device.info().arch && r.problem == problem.problem &&
        r.bucket == shape_bucket(problem.shape) &&
        r.sources_digest == digests[static_cast<std::size_t>(r.winner.family)])
      return r;
  }
  return std::nullopt;
}

// The record that spares a search. An exhaustive one is done when it has covered the space of the
// family that is wanted.
std::optional<TuningRecord> Run::find_enough(const TuningDevice& device,
                                             const TuningProblem& problem) const {
  if (options_.again) return std::nullopt;
  std::optional<TuningRecord> known = find_known(device, problem, /*complete=*/true);
  if (known && options_.tuner.exhaustive) {
    const TuningSpace space = tuning_space(problem, device.info(), options_.family);
    if (!covers_space(*known, space.candidates)) return std::nullopt;
  }
  return known;
}

// What a search goes on from: the complete record, unless all is measured anew, or the one that an
// interrupted search left, whichever knows more.
std::vector<CandidateResult> Run::known_rows(const TuningDevice& device,
                                             const TuningProblem& problem) const {
  std::vector<CandidateResult> rows;
  for (const bool complete : {false, true}) {
    if (complete && options_.again) continue;
    std::optional<TuningRecord> known = find_known(device, problem, complete);
    if (known && known->candidates.size() > rows.size()) rows = std::move(known->candidates);
  }
  return rows;
}

// What the searches of this device will begin with; of the shapes of one problem each variant once,
// because the registry behind compile_ahead() knows what it has. The spaces are made on the pool,
// too: a tenth of a second each.
void Run::compile_ahead(TuningDevice& device) {
  const auto ahead = [this, &device](const TuningProblem& problem) {
    if (find_enough(device, problem)) return;
    const TuningSpace space = tuning_space(problem, device.info(), options_.family);
    for (const Candidate& c :
         shortlist(space.candidates, options_.tuner.shortlist, options_.tuner.per_tile)) {
      const KernelConfig config{problem.problem, c.tiling, device.info().arch};
      pool_.submit(CompilePool::Lane::kLater, [this, &device, config] {
        if (!cancelled()) device.compile_ahead(config);
      });
    }
  };
  for (const TuningProblem& problem : problems_)
    pool_.submit(CompilePool::Lane::kLater, [ahead, &problem] { ahead(problem); });
}

// The winners of all records of the problem on this arch: of other shapes, other device models and
// other sources, too, in the order of the records.
std::vector<Tiling> Run::seeds(const TuningDevice& device, const TuningProblem& problem) const {
  const std::lock_guard lock(mutex_);
  std::vector<Tiling> tilings;
  for (const TuningRecord& r : records_) {
    const KernelConfig config{problem.problem, r.winner, device.info().arch};
    if (r.complete && r.problem == problem.problem && r.arch == device.info().arch &&
        why_unsupported(config, problem.shape) == nullptr)
      tilings.push_back(r.winner);
  }
  return tilings;
}

// What is left of the run's time is shared by what is left to do. One problem may take more than
// its share: the first of its kind waits for the compiler, most of the others need less.
constexpr double kShareFactor = 1.6;

TunerOptions Run::tuner_options(const TuningDevice& device,
                                const Share& share,
                                std::size_t index) const {
  const TuningProblem& problem = problems_[index];
  TunerOptions tuner = options_.tuner;
  if (options_.seconds > 0) {
    const double left = options_.seconds - seconds_since(start_);
    const double rounds =
        std::max(1.0, static_cast<double>(problems_.size() - index) / std::max(share.workers, 1));
    tuner.seconds = std::clamp(kShareFactor * left / rounds, 0.0, std::max(left, 0.0));
    tuner.seconds = std::min(tuner.seconds, options_.tuner.seconds);
  }
  tuner.seeds = seeds(device, problem);
  tuner.known = known_rows(device, problem);
  return tuner;
}

// Measures, and writes the record: only what is kept counts as known.
void Run::search(TuningDevice& device,
                 const Share& share,
                 std::size_t index,
                 TuningOutcome& outcome) {
  const TuningProblem& problem = problems_[index];
  const TuningSpace space = tuning_space(problem, device.info(), options_.family);
  if (options_.family && space.candidates.empty())
    throw Error(ErrorCode::kNotSupported,
                fmt::format("{} has no legal tiling of this problem", to_string(*options_.family)));
  const std::unique_ptr<TuningTarget> target = device.open(problem);
  TunerOptions tuner = tuner_options(device, share, index);
  tuner.pool = &pool_;
  if (options_.progress) {
    tuner.progress = [&](const TuningProgress& search) {
      const std::lock_guard lock(mutex_);
      options_.progress({index + 1, problems_.size(), &problem, search});
    };
  }
  const TuningResult result = tune(*target, space.candidates, space.default_tiling, tuner);
  outcome.error = result.error;
  outcome.device_lost = result.error_code == ErrorCode::kDriver;
  if (!result.complete && outcome.error.empty())
    outcome.error = cancelled() ? "interrupted" : "out of time";
  outcome.record = make_record(problem, device.info(), device.digests(), result);
  outcome.record.policy = device.policy();
  outcome.record.sm_clock_mhz = target->sm_clock_mhz();
  if (!options_.directory.empty()) write_record(options_.directory, outcome.record);
  outcome.state = result.complete ? TuningState::kTuned : TuningState::kIncomplete;
  outcome.covered = result.complete && covers_space(outcome.record, space.candidates);
}

TuningOutcome Run::tune_one(TuningDevice& device, const Share& share, std::size_t index) {
  const Clock::time_point begin = Clock::now();
  TuningOutcome outcome{problems_[index], TuningState::kFailed, {}, ""};
  try {
    if (auto known = find_enough(device, outcome.problem)) {
      outcome.state = TuningState::kPresent;
      outcome.record = *std::move(known);
      return outcome;
    }
    search(device, share, index, outcome);
  } catch (const std::exception& error) {
    // Also what is no Error, such as a lack of memory: this runs on a thread of its own, where it
    // would end the program and what the others measure. The search may have ended with an error of
    // its own, before its record could not be written.
    const auto* const own = dynamic_cast<const Error*>(&error);
    outcome.device_lost |= own != nullptr && own->code() == ErrorCode::kDriver;
    outcome.error += (outcome.error.empty() ? "" : "; ") + std::string(error.what());
  }
  outcome.seconds = seconds_since(begin);
  return outcome;
}

void Run::work(TuningDevice& device) {
  Share& share = share_of(device);
  compile_ahead(device);
  while (const auto index = take(share)) {
    TuningOutcome outcome = tune_one(device, share, *index);
    const bool lost = outcome.device_lost;
    finish(share, *index, std::move(outcome));
    if (lost) break;
  }
}

std::vector<TuningOutcome> Run::outcomes() const {
  std::vector<TuningOutcome> all;
  for (const auto& share : shares_)
    all.insert(all.end(), share->outcomes.begin(), share->outcomes.end());
  return all;
}

}  // namespace

const char* to_string(TuningState state) {
  switch (state) {
    case TuningState::kTuned:
      return "tuned";
    case TuningState::kPresent:
      return "present";
    case TuningState::kIncomplete:
      return "incomplete";
    case TuningState::kFailed:
      return "failed";
    case TuningState::kNotBegun:
      return "not begun";
  }
  return "unknown";
}

std::vector<TuningOutcome> run_tuning(const std::vector<std::unique_ptr<TuningDevice>>& devices,
                                      const std::vector<TuningProblem>& problems,
                                      const std::vector<TuningRecord>& known,
                                      const RunOptions& options) {
  if (!options.directory.empty()) require_record_directory(options.directory);
  Run run(problems, known, options);
  for (const auto& device : devices) run.join(*device);
  {
    std::vector<std::jthread> workers;
    for (const auto& device : devices) workers.emplace_back([&run, &device] { run.work(*device); });
  }
  return run.outcomes();
}

}  // namespace flashjit
