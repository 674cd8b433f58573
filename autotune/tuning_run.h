// Tunes a list of problems on all devices that it is given: one worker per device, one compile pool
// for all, a record on disk after each problem. What already has an exact record is skipped, so a
// run that was interrupted goes on where it stopped.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log.h"
#include "tuner.h"
#include "tuning_problem.h"

namespace flashjit {

// One device as a run uses it. Its targets live on one thread, that of its worker.
class TuningDevice {
 public:
  virtual ~TuningDevice() = default;

  virtual const DeviceInfo& info() const = 0;
  virtual FamilyDigests digests() const = 0;
  virtual std::string policy() const = 0;
  // Throws Error when there is no memory for it.
  virtual std::unique_ptr<TuningTarget> open(const TuningProblem& problem) = 0;
  // Compiles what will be needed later; from any thread. Never throws.
  virtual void compile_ahead(const KernelConfig& config) = 0;
};

enum class TuningState : int {
  kTuned = 0,
  kPresent = 1,     // an exact record was there
  kIncomplete = 2,  // out of time, interrupted, or ended by an error: see error
  kFailed = 3,      // nothing is known, or it could not be written: see error
  kNotBegun = 4,    // interrupted before it, or no device was left
};
const char* to_string(TuningState state);  // "tuned", …

struct TuningOutcome {
  TuningProblem problem;
  TuningState state = TuningState::kNotBegun;
  TuningRecord record;  // where has_record()
  std::string error;
  bool device_lost = false;
  bool covered = false;  // kTuned: each legal tiling of the space has its row
  double seconds = 0;    // wall time of this problem
};

inline bool has_record(const TuningOutcome& outcome) {
  return outcome.state != TuningState::kFailed && outcome.state != TuningState::kNotBegun;
}

struct RunProgress {
  std::size_t begun = 0, problems = 0;
  const TuningProblem* problem = nullptr;
  TuningProgress search;
};

struct RunOptions {
  TunerOptions tuner;               // of each problem; its pool and seeds are set by the run
  double seconds = 0;               // of the whole run; 0: tuner.seconds for each problem
  bool again = false;               // measure anew also where there is a complete record
  std::optional<Family> family;     // whose tilings are tried; default: the heuristic's
  std::filesystem::path directory;  // where records go; empty: nowhere
  int compile_threads = 0;          // 0: one per core
  std::function<void(const RunProgress&)> progress = {};      // never from two threads at once
  std::function<void(const TuningOutcome&)> on_outcome = {};  // likewise
};

// One outcome for each problem and distinct device model, in the order of the problems. `known` are
// the records that exist. A device that is lost stops its worker; others of its model do the rest.
// Throws Error(kIo) before anything is measured where records cannot be written.
std::vector<TuningOutcome> run_tuning(const std::vector<std::unique_ptr<TuningDevice>>& devices,
                                      const std::vector<TuningProblem>& problems,
                                      const std::vector<TuningRecord>& known,
                                      const RunOptions& options);

}  // namespace flashjit
