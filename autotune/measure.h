// The only timing code of the project: device time of several calls compared in pairs, host time of
// calls, wall time of one action. The policy is a value that is printed into every result.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "autotune/gpu_resources.h"

namespace flashjit {

// How device time is taken: CUDA events inside a replayed graph, so no host work stands between the
// launches. In every round each call runs once, in an order that rotates, on the next input set,
// after a write over twice the L2 cache has emptied it.
struct MeasurePolicy {
  int rounds = 15;           // samples of each call
  int min_rounds = 5;        // when a round is so long that `max_seconds` would be passed
  double max_seconds = 3.0;  // of all calls of one comparison
  double warmup_ms = 50;     // of the same work before anything counts, so that clocks settle
  bool cold_l2 = true;

  // "15 rounds, interleaved, graph replay, cold L2, …": for records and result files.
  std::string text() const;
};

// A call to be measured.
struct TimedCall {
  std::string name;
  // Enqueues one run with input set `set`, 0 … num_sets − 1. It is captured into a graph, after one
  // run outside.
  std::function<void(CUstream stream, int set)> enqueue;
};

struct Measurement {
  std::string name;
  double median_us = 0;
  double spread_us = 0;  // interquartile range
  double min_us = 0;
  std::vector<double>
      samples_us;     // one per round; of the same round in every timing of a comparison
  std::string error;  // "" or why it could not be run; nothing else is set then
};

struct Comparison {
  std::vector<Measurement> measurements;  // as the calls
  double sm_clock_mhz = 0;                // median while it ran; 0: not known
  MeasurePolicy policy;

  // Median over the rounds of time(a) / time(b): what happened to both at once cancels out.
  double paired_ratio(std::size_t a, std::size_t b) const;
};

// Measures on a stream of its own, with the device's context current. A call that
// throws becomes a row with its error; the others are measured.
Comparison compare_device_times(const Device& device,
                                std::span<const TimedCall> calls,
                                int num_sets,
                                const MeasurePolicy& policy);

struct HostCall {
  std::string name;
  std::function<void()> call;
};

// Microseconds of host time per call: batches of calls, interleaved, each followed by `drain`,
// which is not timed.
std::vector<Measurement> compare_host_times(std::span<const HostCall> calls,
                                            const std::function<void()>& drain);

// Wall time of a synchronous action, over `rounds` after one that warms up.
Measurement measure_wall_time(const std::string& name,
                              const std::function<void()>& action,
                              int rounds);

// Milliseconds that `action` takes, once.
double wall_ms(const std::function<void()>& action);

// Median and spread of samples; used where the samples come from elsewhere.
Measurement summarize(std::string name, std::vector<double> samples_us);

}  // namespace flashjit
