// Which variant a cold call runs: what select() says, tuned first where the options ask for that,
// and the heuristic's variant where a record's cannot be had: a record makes calls faster, it never
// makes one fail.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "kernel_registry.h"
#include "select.h"
#include "tuned_tilings.h"

namespace flashjit {

// Thread-safe. Warm calls do not come here.
class VariantChoice {
 public:
  // Everything that is passed outlives this object.
  VariantChoice(const Options& options,
                const Settings& settings,
                const Executor& executor,
                KernelRegistry& registry,
                std::shared_ptr<spdlog::logger> logger);

  // Tuned record or heuristic, logged. Throws Error(kNotSupported), Error(kInvalidArgument).
  Selection select(const ValidatedProblem& call);

  // The kernel if it is loaded and there is nothing to measure, else null.
  const Kernel* find_ready(const ValidatedProblem& call, const Selection& selection) const;
  // The kernel of `selection`, which is updated to what it became: by tuning, or by falling back.
  // Throws Error like KernelRegistry::get.
  const Kernel& load(const ValidatedProblem& call, Selection& selection);
  // For a stream that captures: the selected kernel if it is loaded, else the heuristic's if that
  // is, else null.
  const Kernel* find_loaded(const ValidatedProblem& call, const Selection& selection) const;

  // How the variant of that name was selected last; "" if it was not.
  std::string how(const std::string& variant) const;

 private:
  Selection select_from(const ValidatedProblem& call, const TunedTilings* records) const;
  Selection heuristic(const ValidatedProblem& call) const { return select_from(call, nullptr); }
  bool is_refused(const Selection& selection) const;
  void remember(const Selection& selection);
  bool wants_tuning(const ValidatedProblem& call, const Selection& selection) const;
  void tune(const ValidatedProblem& call);

  const Options& options_;
  const Settings& settings_;
  const Executor& executor_;
  KernelRegistry& registry_;
  const std::shared_ptr<spdlog::logger> logger_;
  TunedTilings records_;
  std::mutex tuning_mutex_;        // one measures at a time: two would disturb each other
  mutable std::mutex mutex_;       // of what follows
  std::set<std::string> tuned_;    // subjects that this process has tried
  std::set<std::string> refused_;  // names of tuned variants that could not be had; not tried again
  std::map<std::string, std::string> selected_by_;  // variant name → how
};

}  // namespace flashjit
