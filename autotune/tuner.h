// Finds the fastest tiling of one problem by measuring: shortlist → compile in parallel while
// measuring → verify → successive halving → the leader's neighbours → paired finals against the
// default. What runs and times a tiling is a TuningTarget, so the same search is tested without a
// GPU.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "compile_pool.h"
#include "flashjit/error.h"
#include "search_space.h"
#include "tuning_record.h"

namespace flashjit {

// One variant's timings on the device.
struct Timing {
  double median_us = 0;
  double spread_us = 0;    // interquartile range
  double ratio = 1;        // median over the rounds of its time by that of the first tiling
  int rounds = 0;          // that were held
  std::string error = {};  // "" or why it could not be timed; nothing else is set then
};

// Compiles, checks and times tilings of one problem on one device. compile() is called from several
// threads at once, the others from one.
class TuningTarget {
 public:
  virtual ~TuningTarget() = default;

  // "" or why the tiling cannot be used.
  virtual std::string compile(const Tiling& tiling) = 0;
  // Runs it and compares with the output of the tiling that was verified first: "" or what was
  // wrong. Throws Error when the device is lost.
  virtual std::string verify(const Tiling& tiling) = 0;
  // Times the tilings in interleaved rounds, so that a drifting clock meets them all alike. Result
  // k belongs to tilings[k]. Throws Error when the device is lost.
  virtual std::vector<Timing> time(std::span<const Tiling> tilings, int rounds) = 0;
  // Of the SMs while it timed last; 0: not known.
  virtual double sm_clock_mhz() const { return 0; }
};

struct TuningProgress {
  int done = 0, planned = 0;  // candidates
  Tiling leader;
  double leader_us = 0, default_us = 0;
};

struct TunerOptions {
  double seconds = 15;      // wall time; what is known when it ends decides
  int shortlist = 64;       // candidates of the first round
  int per_tile = 3;         // of one (block_m, block_n, num_warps)
  bool exhaustive = false;  // the whole space after the shortlist, until the time is up
  int finalists = 4;        // beside the default
  int final_rounds = 200;   // paired rounds of the finals; fewer where the target's policy says so
  double tie = 0.005;       // a finalist must beat the default by more than this share of its time
  std::vector<Tiling> seeds = {};  // tried first: winners of similar problems
  // Rows of a search that this one goes on from: failures are not tried again, times are a first
  // ranking, as shares of the time that the default has among them.
  std::vector<CandidateResult> known = {};
  CompilePool* pool = nullptr;                // null: one of its own, with a thread per core
  const std::atomic<bool>* cancel = nullptr;  // set by Ctrl-C: stop soon and keep what is known
  std::function<double()> clock = {};         // seconds; empty: the steady clock
  // Called after each step with what is known.
  std::function<void(const TuningProgress&)> progress = {};
};

// What was measured, default and winner included; the caller adds device and provenance to make a
// TuningRecord of it.
struct TuningResult {
  Tiling default_tiling;
  Tiling winner;
  double winner_us = 0;
  double default_us = 0;
  std::vector<CandidateResult> candidates;
  int legal = 0;   // points of the space: time may end before each has its row
  int rounds = 0;  // of the finals
  // Paired finals were held. False: out of time, cancelled, or ended by an error (then `error` says
  // so); the winner is the default then.
  bool complete = false;
  std::string error;
  ErrorCode error_code = ErrorCode::kOk;  // of `error`; kDriver: the device is lost
};

// Never throws for a candidate: a failing one is a row with its error, and a lost device ends the
// search with what is known. Throws Error only if the default tiling itself cannot be compiled or
// run.
TuningResult tune(TuningTarget& target,
                  const std::vector<Candidate>& space,
                  const Tiling& default_tiling,
                  const TunerOptions& options);

}  // namespace flashjit
