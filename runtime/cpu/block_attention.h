// Attention of one block of query rows on one core: blocked online softmax in fp32.
#pragma once

#include <cstddef>
#include <vector>

#include "flashjit/kernel_config.h"
#include "kernel_src/fwd_params.h"

namespace flashjit::cpu {

// Rows of a block: three vectors of 4, 8 or 16 lanes divide it. 96 rows amortise the conversion of
// K and V to fp32 (once per block of rows) to about 2 % of the arithmetic.
inline constexpr int kBlockM = 96;
// Keys of one step: with head_dim 128, Q, K, V, P and O of a block take 270 KiB, inside L2.
inline constexpr int kBlockN = 96;

// Query rows [first_row, first_row + num_rows) of one (batch, kv head). The rows of all q heads
// that share the kv head are numbered through, head by head, so that grouped heads fill the vectors
// even when seqlen_q is 1.
struct RowBlock {
  int batch_idx;
  int kv_head;
  i64 first_row;
  int num_rows;  // at most kBlockM
};

// Writes the block's rows of O and, if present, LSE. `scratch` is scratch_floats() floats, aligned
// to 64 bytes.
using BlockAttention = void (*)(const FwdParams& params,
                                const Problem& problem,
                                const RowBlock& block,
                                float* scratch);

std::size_t scratch_floats(const Problem& problem);

struct Implementation {
  const char* name;  // the instruction set: "avx2"
  BlockAttention run;
};

// Those that this processor can run, best first.
std::vector<Implementation> usable_block_attentions();
inline Implementation best_block_attention() { return usable_block_attentions().front(); }

}  // namespace flashjit::cpu
