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

#include "search_space.h"
#include "tuning_record.h"

namespace flashjit {

// One variant's timings on the device.
struct Timing {
  double median_us = 0;
  double spread_us = 0;  // interquartile range
};

// Compiles, checks and times tilings of one problem on one device. compile() is called from several
// threads at once, the others from one.
class TuningTarget {
 public:
  virtual ~TuningTarget() = default;

  // "" or why the tiling cannot be used.
  virtual std::string compile(const Tiling& tiling) = 0;
  // Runs it and compares with the default tiling's output: "" or what was wrong.
  virtual std::string verify(const Tiling& tiling) = 0;
  // Times the tilings in shuffled, interleaved rounds, so that a drifting clock meets them all
  // alike. Result k belongs to tilings[k]. Throws Error when the device is lost.
  virtual std::vector<Timing> time(std::span<const Tiling> tilings, int rounds) = 0;
};

struct TunerOptions {
  double seconds = 15;    // wall time; what is known when it ends decides
  int shortlist = 64;     // candidates of the first round
  int per_tile = 3;       // of one (block_m, block_n, num_warps)
  int finalists = 4;      // beside the default
  int final_rounds = 40;  // paired rounds of the finals
  double tie = 0.005;     // a finalist must beat the default by more than this share of its time
  int threads = 0;        // compiling; 0: one per core
  const std::atomic<bool>* cancel = nullptr;  // set by Ctrl-C: stop soon and keep what is known
  // Called after each step with what is known: done and planned candidates and the leader.
  std::function<void(int done, int planned, const Tiling& leader, double leader_us)> progress;
};

// What was measured, default and winner included; the caller adds device and provenance to make a
// TuningRecord of it.
struct TuningResult {
  Tiling winner;
  double winner_us = 0;
  double default_us = 0;
  std::vector<CandidateResult> candidates;
  bool complete =
      false;  // false: out of time, cancelled, or the device was lost (then `error` says so)
  std::string error;
};

// Never throws for a candidate: a failing one is a row with its error. Throws Error only if the
// default tiling itself cannot be compiled or run.
TuningResult tune(TuningTarget& target,
                  const std::vector<Candidate>& space,
                  const Tiling& default_tiling,
                  const TunerOptions& options);

// Tilings that differ from `tiling` in one field and lie in `space`: what a local search looks at
// next.
std::vector<Tiling> neighbours(const Tiling& tiling, const std::vector<Candidate>& space);

}  // namespace flashjit
