// CTA number → (m_block, q_head, batch) for the kernels that run one tile per CTA. Called once at
// the top of simt and sm80 kernels and of the GEMMs of the standard family.
//
// Without a mask all tiles are equal: m runs fastest, so that CTAs in flight share K and V in L2.
// Causal tiles differ in length. They are taken longest first, over sections of (batch, head)
// pairs: a section is as large as its K and V fit in L2, and ends on its shortest tiles, so the
// launch does too. One head at a time would leave a tail of about one longest tile.
#pragma once
#include "attention/mask.cuh"
#include "fwd_params.h"

namespace flashjit {

struct TileCoord {
  int m_block;
  int head;  // of Q
  int batch;
};

// K and V of a section: about half of the L2 of an A100 or H100.
inline constexpr u32 kSectionBytes = 32u << 20;

// (batch, head) pairs of a section. All in 32 bits, a 64-bit division is a call of 100
// instructions.
template <KernelConfig kConfig>
__device__ __forceinline__ u32 pairs_per_section(const FwdParams& params, u32 num_m_blocks) {
  constexpr u32 kBytesPerKey =
      (kConfig.problem.head_dim_qk + kConfig.problem.head_dim_v) * size_of(kConfig.problem.dtype);
  // Heads of a group share K and V; at most 2^21 · 2^10 keys.
  const u32 keys = kSectionBytes / kBytesPerKey * u32(min_of(params.heads_per_kv, 1024));
  const u32 by_l2 = keys / u32(max_of(params.seqlen_kv, 1));
  // At least 512 tiles, about two waves on the largest GPUs, or the sections' own tails would show.
  const u32 by_tiles = 511u / num_m_blocks + 1;
  const u32 wanted = by_l2 > by_tiles ? by_l2 : by_tiles;
  const u32 all = u32(params.num_heads_q) * u32(params.batch);
  return wanted < all ? wanted : all;
}

template <KernelConfig kConfig>
__device__ __forceinline__ TileCoord decode_tile(const FwdParams& params, u32 tile) {
  constexpr u32 kBlockM = kConfig.tiling.block_m;
  const u32 num_m_blocks = (u32(params.seqlen_q) + kBlockM - 1) / kBlockM;
  u32 pair = 0;  // batch · num_heads_q + head
  u32 m_block = 0;
  if constexpr (kConfig.problem.mask == MaskKind::kNone) {
    pair = tile / num_m_blocks;
    m_block = tile % num_m_blocks;
  } else {
    const u32 section_pairs = pairs_per_section<kConfig>(params, num_m_blocks);
    const u32 section_tiles = section_pairs * num_m_blocks;  // at most the whole grid
    const u32 first = tile / section_tiles * section_pairs;
    const u32 rank = tile % section_tiles;
    const u32 rest = u32(params.num_heads_q) * u32(params.batch) - first;
    const u32 pairs = section_pairs < rest ? section_pairs : rest;
    pair = first + rank % pairs;
    m_block = num_m_blocks - 1 - rank / pairs;
  }
  const u32 num_heads = u32(params.num_heads_q);
  return {int(m_block), int(pair % num_heads), int(pair / num_heads)};
}

}  // namespace flashjit
