// What `flashjit check` does: a variant on random inputs under many schedules, with every detector
// on, judged by a naive double-precision attention and by its own output under other schedules.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "check_problem.h"
#include "emulator_executor.h"
#include "runtime/kernel_registry.h"

namespace flashjit::emu {

struct CheckOptions {
  CheckShape shape;
  int schedules = 10;
  std::uint64_t seed = 1;       // of the first schedule; the inputs are the same for all
  bool bank_conflicts = false;  // count as a finding
  Options detectors;            // `seed` is not used
};

struct CheckReport {
  bool ok = true;
  std::string kind;        // of the finding: as Failure::kind(), or wrong, nondeterministic, banks
  std::string message;     // for people
  std::uint64_t seed = 0;  // of the schedule that shows it
  int schedules = 0;       // that ran
  int compared = 0;        // of them, those that came to an end and were compared
  double seconds = 0;      // of the processors, all schedules
  double worst_o = 0, worst_lse = 0;  // largest differences from the reference
  Stats stats;                        // of the last schedule
};

// Compiles variants through the runtime's cache and runs them. Thread-safe.
class Checker {
 public:
  Checker(const Settings& settings, std::shared_ptr<spdlog::logger> logger);

  // Throws Error where the variant cannot be compiled.
  CheckReport check(const KernelConfig& config, const CheckOptions& options);

  // One call of one schedule; throws Failure.
  Stats run(const KernelConfig& config, const AttentionArgs& args, const Options& options);

 private:
  EmulatorExecutor executor_;
  KernelRegistry registry_;
};

}  // namespace flashjit::emu
