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

// K and V of a section: half of the L2 of an A100 or H100 and more.
inline constexpr i64 kSectionBytes = i64(32) << 20;

// (batch, head) pairs of a section.
template <KernelConfig kConfig>
__device__ __forceinline__ int heads_per_section(const FwdParams& params, int num_m_blocks) {
  constexpr int kBytesPerKey =
      (kConfig.problem.head_dim_qk + kConfig.problem.head_dim_v) * size_of(kConfig.problem.dtype);
  // Heads of a group share K and V.
  const i64 bytes =
      (i64(params.seqlen_kv) * kBytesPerKey + params.heads_per_kv - 1) / params.heads_per_kv;
  const i64 by_l2 = kSectionBytes / (bytes > 0 ? bytes : 1);
  // At least 512 tiles, about two waves on the largest GPUs, or the sections' own tails would show.
  const i64 by_tiles = (512 + i64(num_m_blocks) - 1) / num_m_blocks;
  const i64 wanted = by_l2 > by_tiles ? by_l2 : by_tiles;
  const i64 all = i64(params.num_heads_q) * params.batch;
  return int(wanted < all ? wanted : all);
}

template <KernelConfig kConfig>
__device__ __forceinline__ TileCoord decode_tile(const FwdParams& params, int tile) {
  constexpr int kBlockM = kConfig.tiling.block_m;
  const int num_m_blocks = int((i64(params.seqlen_q) + kBlockM - 1) / kBlockM);
  int pair = 0;  // batch · num_heads_q + head
  int m_block = 0;
  if constexpr (kConfig.problem.mask == MaskKind::kNone) {
    pair = tile / num_m_blocks;
    m_block = tile % num_m_blocks;
  } else {
    const int section_heads = heads_per_section<kConfig>(params, num_m_blocks);
    const i64 section_tiles = i64(section_heads) * num_m_blocks;
    const int section = int(tile / section_tiles);
    const int rank = int(tile % section_tiles);
    const int first = section * section_heads;
    const int heads = min_of(section_heads, params.num_heads_q * params.batch - first);
    pair = first + rank % heads;
    m_block = num_m_blocks - 1 - rank / heads;
  }
  return {m_block, pair % params.num_heads_q, pair / params.num_heads_q};
}

}  // namespace flashjit
