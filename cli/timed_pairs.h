// Two tilings of one problem measured against each other: what published comparisons are made of.
#pragma once

#include <string>
#include <vector>

#include "autotune/cuda_tuning_device.h"
#include "cli/report.h"

namespace flashjit::cli {

struct TilingPair {
  TuningProblem problem;
  Tiling first, second;
};

struct PairTiming {
  double first_us = 0, second_us = 0;
  double ratio = 1;         // median over the rounds of second / first; 1 where they are one tiling
  double spread = 0;        // interquartile range of the second by its median
  double sm_clock_mhz = 0;  // median meanwhile; 0: not known
  std::string error;        // "" or why there are no times
};

// 200 interleaved rounds, one second for a pair at most.
MeasurePolicy pair_policy();

// One timing for each pair; all variants are compiled first, in parallel.
std::vector<PairTiming> time_pairs(CudaTuningDevice& device,
                                   const std::vector<TilingPair>& pairs,
                                   Report& report);

}  // namespace flashjit::cli
