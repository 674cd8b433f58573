#include "neighbours.h"

#include <cstdlib>

namespace flashjit {
namespace {

int differing_fields(const Tiling& a, const Tiling& b) {
  const bool registers = a.producer_regs != b.producer_regs || a.consumer_regs != b.consumer_regs;
  const bool rows = a.block_m != b.block_m || a.num_warps != b.num_warps || registers;
  return (a.family != b.family) + rows + (a.block_n != b.block_n) + (a.num_stages != b.num_stages) +
         (a.num_q_stages != b.num_q_stages || a.epilogue != b.epilogue) + (a.overlap != b.overlap) +
         (a.ping_pong != b.ping_pong) + (a.skip_masked != b.skip_masked) +
         (a.row_sum_by_mma != b.row_sum_by_mma) + (a.probs_in_smem != b.probs_in_smem) +
         (a.schedule != b.schedule || a.cluster_size != b.cluster_size) + (a.rescale != b.rescale);
}

}  // namespace

std::vector<Tiling> neighbours(const Tiling& tiling, const std::vector<Candidate>& space) {
  std::vector<Tiling> found;
  for (const Candidate& candidate : space) {
    if (std::abs(candidate.tiling.block_n - tiling.block_n) <= 32 &&
        differing_fields(candidate.tiling, tiling) == 1)
      found.push_back(candidate.tiling);
  }
  return found;
}

}  // namespace flashjit
