#include "variant_choice.h"

#include <fmt/format.h>

#include <utility>

#include "online_tuner.h"
#include "variant_name.h"

namespace flashjit {
namespace {

// Calls of one subject share a record, so one measurement.
std::string subject(const ValidatedProblem& call) {
  const ShapeBucket bucket = shape_bucket(call.shape);
  return fmt::format("{} {} {} {} {}",
                     variant_name({call.problem, {}, {}}),
                     bucket.seqlen_q,
                     bucket.seqlen_kv,
                     bucket.batch_heads,
                     bucket.heads_per_kv);
}

}  // namespace

VariantChoice::VariantChoice(const Options& options,
                             const Settings& settings,
                             const Executor& executor,
                             KernelRegistry& registry,
                             std::shared_ptr<spdlog::logger> logger)
    : options_(options),
      settings_(settings),
      executor_(executor),
      registry_(registry),
      logger_(std::move(logger)),
      records_(settings, registry.sources(), logger_) {}

Selection VariantChoice::select_from(const ValidatedProblem& call,
                                     const TunedTilings* records) const {
  return flashjit::select(
      call.problem, call.shape, executor_.device(), options_.family, options_.tiling, records);
}

Selection VariantChoice::select(const ValidatedProblem& call) {
  Selection selection = select_from(call, settings_.tune == TuneMode::kOff ? nullptr : &records_);
  if (selection.match != RecordMatch::kNone && is_refused(selection)) selection = heuristic(call);
  remember(selection);
  return selection;
}

bool VariantChoice::is_refused(const Selection& selection) const {
  const std::lock_guard lock(mutex_);
  return refused_.contains(variant_name(selection.config));
}

void VariantChoice::remember(const Selection& selection) {
  const std::string name = variant_name(selection.config);
  const std::string& how = selection.selected_by;
  if (!selection.hint.empty())
    logger_->info("selected {} ({}, a hint: {})", name, how, selection.hint);
  else if (!selection.note.empty())
    logger_->debug("selected {} ({}); not {}", name, how, selection.note);
  else
    logger_->debug("selected {} ({})", name, how);
  const std::lock_guard lock(mutex_);
  selected_by_[name] = how;
}

const Kernel* VariantChoice::find_ready(const ValidatedProblem& call,
                                        const Selection& selection) const {
  return wants_tuning(call, selection) ? nullptr : registry_.find(selection.config);
}

bool VariantChoice::wants_tuning(const ValidatedProblem& call, const Selection& selection) const {
  if (settings_.tune != TuneMode::kOnFirstUse || settings_.offline) return false;
  if (options_.family || options_.tiling || selection.match == RecordMatch::kExact) return false;
  const std::lock_guard lock(mutex_);
  return !tuned_.contains(subject(call));
}

const Kernel& VariantChoice::load(const ValidatedProblem& call, Selection& selection) {
  if (wants_tuning(call, selection)) {
    tune(call);
    selection = select(call);
  }
  try {
    return registry_.get(selection.config);
  } catch (const Error& error) {
    // Whatever is wrong, another variant may do, except where there is no room.
    if (selection.match == RecordMatch::kNone || error.code() == ErrorCode::kOutOfMemory) throw;
    const std::string refused = variant_name(selection.config);
    {
      const std::lock_guard lock(mutex_);
      refused_.insert(refused);
    }
    selection = heuristic(call);
    logger_->warn("{} of a tuning record cannot be had, {} is used: {}",
                  refused,
                  variant_name(selection.config),
                  error.what());
    remember(selection);
    return registry_.get(selection.config);
  }
}

// Whoever comes meanwhile waits, and then finds the record.
void VariantChoice::tune(const ValidatedProblem& call) {
  const std::lock_guard measuring(tuning_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (tuned_.contains(subject(call))) return;
  }
  const Selection fallback = heuristic(call);
  const std::string name = variant_name(fallback.config);
  try {
    const OnlineTuner tuner = online_tuner();
    if (!tuner) throw Error(ErrorCode::kNotSupported, "this build of flashjit has no tuner");
    const TuningRecord record = tuner({executor_,
                                       settings_,
                                       call.problem,
                                       call.shape,
                                       fallback.config.tiling,
                                       settings_.tune_seconds});
    if (!record.complete) throw Error(ErrorCode::kNotSupported, "out of time");
    logger_->info("tuned on first use: {:.1f} µs, {} takes {:.1f} µs",
                  record.winner_us,
                  name,
                  record.default_us);
    records_.add(record);
  } catch (const Error& error) {
    // What is used instead, a hint or the heuristic's, the selection that follows says.
    logger_->warn("not tuned: {}", error.what());
  }
  // Only now: until then others wait for the measurement instead of going on without it.
  const std::lock_guard lock(mutex_);
  tuned_.insert(subject(call));
}

const Kernel* VariantChoice::find_loaded(const ValidatedProblem& call,
                                         const Selection& selection) const {
  if (const Kernel* kernel = registry_.find(selection.config)) return kernel;
  return selection.match == RecordMatch::kNone ? nullptr : registry_.find(heuristic(call).config);
}

std::string VariantChoice::how(const std::string& variant) const {
  const std::lock_guard lock(mutex_);
  const auto it = selected_by_.find(variant);
  return it == selected_by_.end() ? "" : it->second;
}

}  // namespace flashjit
