// What the host passes to a forward kernel: the run-time half of a call, where KernelConfig is the
// compile-time half.
#pragma once
#include "types.h"

namespace flashjit {

// Element strides of one tensor [batch, seqlen, heads, head_dim]; the last dimension is contiguous.
struct Strides {
  i64 batch;
  i64 seq;
  i64 head;

  constexpr bool operator==(const Strides&) const = default;
};

// Passed by value (__grid_constant__) to every forward kernel but the TMA ones, which get
// Sm90FwdParams.
struct FwdParams {
  const void* q;  // [batch, seqlen_q,  num_heads_q,  head_dim_qk]
  const void* k;  // [batch, seqlen_kv, num_heads_kv, head_dim_qk]
  const void* v;  // [batch, seqlen_kv, num_heads_kv, head_dim_v]
  void* o;        // [batch, seqlen_q,  num_heads_q,  head_dim_v]
  float* lse;     // [batch, num_heads_q, seqlen_q], dense, natural log; null unless return_lse
  Strides q_stride, k_stride, v_stride, o_stride;
  int batch;
  int num_heads_q;
  int num_heads_kv;
  int heads_per_kv;  // num_heads_q / num_heads_kv; kv_head = q_head / heads_per_kv
  int seqlen_q;
  int seqlen_kv;
  int diagonal;              // causal: row i sees key j iff j <= i + diagonal
  float softmax_scale;       // natural units; the sign is the caller's
  float softmax_scale_log2;  // |softmax_scale| · log2(e), never 0: P = exp2(score · this − offset)
  bool negate_q;             // softmax_scale < 0: kernels flip the sign of Q
  void* workspace;           // workspace_bytes() of runtime/executor.h; dynamic sm90: the counter
};

// Persistent scheduling of the sm90 kernels; made by runtime/tile_schedule, read by
// attention/sm90_scheduler.cuh.
struct TileSchedule {
  int num_m_blocks;       // query tiles of one (batch, head), of sm90_tile_rows() each
  int num_tiles;          // num_m_blocks · num_heads_q · batch
  int heads_per_section;  // (batch, head) pairs whose K and V stay in L2 together
  int tail_heads;         // (batch, head) pairs of the last, longest-first section
};

struct Sm90FwdParams {
  TensorMap q, k, v, o;
  // Of the last panel: where has_narrow_panel(); V's where sm90_ones_beside_v(), without the
  // columns past its end.
  TensorMap q_tail, k_tail, v_tail, o_tail;
  FwdParams fwd;
  TileSchedule schedule;
};

}  // namespace flashjit
