// The tilings that are worth measuring for a problem, as data: every legal point of each family's
// grid, with an analytic estimate of its time. `flashjit tune --dry-run` prints it; the tuner
// measures from the top.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "flashjit/runtime.h"
#include "problem.h"

namespace flashjit {

// The arithmetic behind an estimate, in microseconds; the largest term and the waves explain the
// rank.
struct Estimate {
  double time_us = 0;    // of the whole launch
  double tensor_us = 0;  // matrix work at the peak rate of the family's instruction
  double exp_us = 0;     // exponentials at 16 per clock and SM
  double memory_us = 0;  // K, V tiles through L2
  double waves = 0;      // tiles over the CTAs that fit on the device at once
};

struct Candidate {
  Tiling tiling;
  Estimate estimate;
};

// Every legal tiling of `family` for the problem on the device's arch, best estimate first; of
// equal estimates the order is that of enumeration, so the list is reproducible. Empty when the
// family cannot run the problem.
std::vector<Candidate> search_space(Family family,
                                    const Problem& problem,
                                    const ProblemShape& shape,
                                    const DeviceInfo& device);

// Why the other points of the family's grid are not legal, with their number.
std::map<std::string, int> refused_tilings(Family family, const Problem& problem, const Arch& arch);

// The first `count` of it that differ in more than their switches: of one (block_m, block_n,
// num_warps) at most `per_tile` are kept, so that the measured set is wide.
std::vector<Candidate> shortlist(const std::vector<Candidate>& space, int count, int per_tile);

Estimate estimate_time(const KernelConfig& config,
                       const ProblemShape& shape,
                       const DeviceInfo& device);

}  // namespace flashjit
