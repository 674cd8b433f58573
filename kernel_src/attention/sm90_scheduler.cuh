// Tile numbers of the persistent sm90 kernels: which tile a number means (TileSchedule, made by
// runtime/tile_schedule) and which number a CTA takes next. Called by the producer only.
#pragma once
#include "attention/mask.cuh"
#include "attention/scheduler.cuh"
#include "sm90/plan.h"

namespace flashjit {

// Causal: sections of (batch, head) pairs whose K and V stay in L2 together, the longest tiles of a
// section first; the last section is large enough (about 512 tiles) that the launch ends on short
// tiles. Without a mask: all whole tiles first, then the short last tile of every head.
// A cluster takes one tile of sm90_tile_rows() rows, of which each CTA computes its block_m.
template <KernelConfig kConfig>
__device__ __forceinline__ TileCoord decode_scheduled_tile(const Sm90FwdParams& params, int tile) {
  const TileSchedule& schedule = params.schedule;
  const int num_pairs = params.fwd.num_heads_q * params.fwd.batch;
  const int num_m_blocks = schedule.num_m_blocks;
  int pair = 0, m_block = 0;
  if constexpr (kConfig.problem.mask == MaskKind::kCausal) {
    const int tail_first = num_pairs - schedule.tail_heads;
    int first = tail_first, width = schedule.tail_heads;
    int rank = tile - tail_first * num_m_blocks;  // in its section
    if (rank < 0) {
      const int section_tiles = schedule.heads_per_section * num_m_blocks;
      const int section = tile / section_tiles;
      rank = tile - section * section_tiles;
      first = section * schedule.heads_per_section;
      width = min_of(schedule.heads_per_section, tail_first - first);
    }
    const int longest_first = rank / width;
    pair = first + rank - longest_first * width;
    m_block = num_m_blocks - 1 - longest_first;
  } else {
    const int whole = params.fwd.seqlen_q / sm90_tile_rows(kConfig.tiling);  // tiles of a head
    const int num_whole = whole * num_pairs;
    pair = tile < num_whole ? tile / whole : tile - num_whole;
    m_block = tile < num_whole ? tile - pair * whole : whole;
  }
  const int batch = pair / params.fwd.num_heads_q;
  return {m_block, pair - batch * params.fwd.num_heads_q, batch};
}

// Schedule::kDynamic: {tiles taken beyond everybody's first, takers that are done}, zero before the
// first launch and after every launch: the last taker to leave resets it. A taker is a CTA, or one
// of each cluster.
struct TileCounter {
  int* counters;  // FwdParams::workspace; one for each launch in flight
  int num_takers;

  __device__ __forceinline__ int next() const { return num_takers + atomicAdd(counters, 1); }
  __device__ __forceinline__ void leave() const {
    if (atomicAdd(counters + 1, 1) != num_takers - 1) return;
    counters[0] = 0;
    counters[1] = 0;
  }
};

}  // namespace flashjit
