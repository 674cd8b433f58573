// The text of the CPU kernel, compiled once for each instruction set by block_attention.cpp.
//
// Everything is kept transposed, with query rows along the vector lanes: Q^T [head_dim_qk][rows],
// P^T [keys][rows], O^T [head_dim_v][rows]. Row maxima and sums then need no horizontal steps, and
// both products are one loop: a scalar of K or V times vectors of Q^T or P^T.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/block_attention.h"
#include "cpu/simd.h"

namespace flashjit::cpu {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The parts of the scratch memory.
struct Scratch {
  Scratch(const Problem& problem, float* base) {
    q_t = base;
    o_t = q_t + problem.head_dim_qk * kBlockM;
    p_t = o_t + problem.head_dim_v * kBlockM;
    k = p_t + kBlockN * kBlockM;
    v = k + kBlockN * problem.head_dim_qk;
    row_max = v + kBlockN * problem.head_dim_v;
    row_sum = row_max + kBlockM;
    rescale = row_sum + kBlockM;
    limit = reinterpret_cast<int*>(rescale + kBlockM);
  }
  float *q_t, *o_t, *p_t;  // [head_dim_qk], [head_dim_v], [kBlockN] times [kBlockM]
  float *k, *v;            // [kBlockN][head_dim_qk], [kBlockN][head_dim_v]
  float *row_max, *row_sum, *rescale;
  int* limit;  // keys that a row sees: those below
};

inline const char* element(const void* base, i64 index, Dtype dtype) {
  return static_cast<const char*>(base) + index * size_of(dtype);
}

// `count` rows of `width` elements as fp32, dense. Returns whether all were finite.
template <Dtype dtype>
[[gnu::always_inline]] inline bool convert(
    const void* from, i64 stride, int count, int width, float* to) {
  using S = Simd<8>;  // head dims are multiples of 8
  S::Int special{};
  for (int row = 0; row < count; ++row) {
    for (int col = 0; col < width; col += 8) {
      const S::Float value = S::load_as_float(element(from, row * stride + col, dtype), dtype);
      special |= (__builtin_bit_cast(S::Int, value) & 0x7f800000) == 0x7f800000;
      S::store(to + row * width + col, value);
    }
  }
  int any = 0;
  for (int lane = 0; lane < 8; ++lane) any |= special[lane];
  return any == 0;
}

[[gnu::always_inline]] inline bool convert(
    const void* from, Dtype dtype, i64 stride, int count, int width, float* to) {
  switch (dtype) {
    case Dtype::kFp16:
      return convert<Dtype::kFp16>(from, stride, count, width, to);
    case Dtype::kBf16:
      return convert<Dtype::kBf16>(from, stride, count, width, to);
    case Dtype::kFp32:
      break;
  }
  return convert<Dtype::kFp32>(from, stride, count, width, to);
}

template <int W, int R>
struct Block {
  using S = Simd<W>;
  using Float = typename S::Float;
  using Int = typename S::Int;

  const FwdParams& params;
  const Problem& problem;
  const RowBlock& block;
  Scratch scratch;
  int lanes;  // rows, rounded up to whole vectors

  [[gnu::always_inline]] Block(const FwdParams& params,
                               const Problem& problem,
                               const RowBlock& block,
                               float* base)
      : params(params),
        problem(problem),
        block(block),
        scratch(problem, base),
        lanes(round_up(block.num_rows, W)) {}

  [[gnu::always_inline]] int q_head(i64 row) const {
    return block.kv_head * params.heads_per_kv + static_cast<int>(row / params.seqlen_q);
  }
  [[gnu::always_inline]] int q_index(i64 row) const {
    return static_cast<int>(row % params.seqlen_q);
  }

  // Q^T, the limits, and empty statistics. Lanes beyond the last row see no key.
  [[gnu::always_inline]] void begin() {
    for (int lane = 0; lane < lanes; ++lane) {
      scratch.row_max[lane] = -kInfinity;
      scratch.row_sum[lane] = 0;
      scratch.limit[lane] = 0;
      float q[256] = {};
      if (lane < block.num_rows) {
        const i64 row = block.first_row + lane;
        const i64 offset = block.batch_idx * params.q_stride.batch +
                           q_index(row) * params.q_stride.seq + q_head(row) * params.q_stride.head;
        convert(
            element(params.q, offset, problem.dtype), problem.dtype, 0, 1, problem.head_dim_qk, q);
        scratch.limit[lane] =
            problem.mask == MaskKind::kNone
                ? params.seqlen_kv
                : std::clamp(q_index(row) + params.diagonal + 1, 0, params.seqlen_kv);
      }
      for (int d = 0; d < problem.head_dim_qk; ++d)
        scratch.q_t[d * kBlockM + lane] = params.negate_q ? -q[d] : q[d];
    }
    std::fill_n(scratch.o_t, problem.head_dim_v * kBlockM, 0.0f);
  }

  // acc[r][v] += Σ over depth of a[r·a_row + i·a_step] · b[i][v·W …].
  template <int V>
  [[gnu::always_inline]] static void multiply(const float* a,
                                              std::ptrdiff_t a_row,
                                              std::ptrdiff_t a_step,
                                              const float* b,
                                              int depth,
                                              Float (&acc)[R][V]) {
    for (int i = 0; i < depth; ++i, a += a_step, b += kBlockM) {
      Float column[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) column[v] = S::template load<Float>(b + v * W);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Float scalar = S::splat(a[r * a_row]);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[r][v] += scalar * column[v];
      }
    }
  }

  // Scores, unscaled, of `keys` keys for V vectors of rows.
  template <int V>
  [[gnu::always_inline]] void scores(int keys, int lane) {
    const int depth = problem.head_dim_qk;
    for (int key = 0; key < keys; key += R) {
      Float acc[R][V] = {};
      multiply<V>(scratch.k + key * depth, depth, 1, scratch.q_t + lane, depth, acc);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v)
          S::store(scratch.p_t + (key + r) * kBlockM + lane + v * W, acc[r][v]);
      }
    }
  }

  // O^T = O^T · rescale + V^T P^T for V vectors of rows.
  template <int V>
  [[gnu::always_inline]] void output(int keys, int lane) {
    for (int d = 0; d < problem.head_dim_v; d += R) {
      Float acc[R][V];
      float* o = scratch.o_t + d * kBlockM + lane;
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v)
          acc[r][v] = S::template load<Float>(o + r * kBlockM + v * W) *
                      S::template load<Float>(scratch.rescale + lane + v * W);
      }
      multiply<V>(scratch.v + d, 1, problem.head_dim_v, scratch.p_t + lane, keys, acc);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) S::store(o + r * kBlockM + v * W, acc[r][v]);
      }
    }
  }

  // The same for a block that is partly masked and holds a NaN or an infinity: a masked P is 0, and
  // 0 · inf would put a NaN into a row that does not see it.
  [[gnu::always_inline]] void output_of_visible(int first_key, int keys) {
    for (int lane = 0; lane < block.num_rows; ++lane) {
      const int visible = std::min(keys, scratch.limit[lane] - first_key);
      for (int d = 0; d < problem.head_dim_v; ++d) {
        float acc = scratch.o_t[d * kBlockM + lane] * scratch.rescale[lane];
        for (int key = 0; key < visible; ++key)
          acc += scratch.p_t[key * kBlockM + lane] * scratch.v[key * problem.head_dim_v + d];
        scratch.o_t[d * kBlockM + lane] = acc;
      }
    }
  }

  // Scores to probabilities, and the rows' statistics, for one vector of rows. The maximum is
  // subtracted before the scale is applied: the difference is nearly exact, so large scores cost no
  // precision.
  [[gnu::always_inline]] void softmax(int first_key, int keys, int lane, bool masked) {
    float* p = scratch.p_t + lane;
    const float scale = params.softmax_scale_log2;
    const Float old_max = S::template load<Float>(scratch.row_max + lane);
    const Int limit = S::template load<Int>(scratch.limit + lane) - first_key;
    Float new_max = old_max;
    for (int key = 0; key < keys; ++key) {
      Float score = S::template load<Float>(p + key * kBlockM);
      if (masked) {
        score = limit > key ? score : S::splat(-kInfinity);
        S::store(p + key * kBlockM, score);
      }
      new_max = score > new_max ? score : new_max;
    }
    // A row without a visible key yet: −inf − −inf would be NaN.
    const Float base = new_max == -kInfinity ? Float{} : new_max;
    Float sum{};
    for (int key = 0; key < keys; ++key) {
      const Float prob = S::exp2((S::template load<Float>(p + key * kBlockM) - base) * scale);
      S::store(p + key * kBlockM, prob);
      sum += prob;
    }
    const Float rescale = S::exp2((old_max - base) * scale);
    S::store(scratch.rescale + lane, rescale);
    S::store(scratch.row_sum + lane,
             S::template load<Float>(scratch.row_sum + lane) * rescale + sum);
    S::store(scratch.row_max + lane, new_max);
  }

  [[gnu::always_inline]] void step(int first_key, int keys, bool masked) {
    const i64 kv_head = block.kv_head;
    const auto rows_of = [&](const void* base, const Strides& stride) {
      return element(
          base,
          block.batch_idx * stride.batch + first_key * stride.seq + kv_head * stride.head,
          problem.dtype);
    };
    convert(rows_of(params.k, params.k_stride),
            problem.dtype,
            params.k_stride.seq,
            keys,
            problem.head_dim_qk,
            scratch.k);
    std::fill_n(scratch.k + keys * problem.head_dim_qk,
                (round_up(keys, R) - keys) * problem.head_dim_qk,
                0.0f);
    const bool finite = convert(rows_of(params.v, params.v_stride),
                                problem.dtype,
                                params.v_stride.seq,
                                keys,
                                problem.head_dim_v,
                                scratch.v);
    for (int lane = 0; lane < lanes;) {
      const int vectors = std::min((lanes - lane) / W, 3);
      if (vectors == 3) scores<3>(keys, lane);
      if (vectors == 2) scores<2>(keys, lane);
      if (vectors == 1) scores<1>(keys, lane);
      lane += vectors * W;
    }
    for (int lane = 0; lane < lanes; lane += W) softmax(first_key, keys, lane, masked);
    if (masked && !finite) return output_of_visible(first_key, keys);
    for (int lane = 0; lane < lanes;) {
      const int vectors = std::min((lanes - lane) / W, 3);
      if (vectors == 3) output<3>(keys, lane);
      if (vectors == 2) output<2>(keys, lane);
      if (vectors == 1) output<1>(keys, lane);
      lane += vectors * W;
    }
  }

  [[gnu::always_inline]] void write_row(int lane) {
    const float sum = scratch.row_sum[lane];
    const float inverse = sum == 0 ? 0.0f : 1.0f / sum;  // an empty row is 0
    const i64 row = block.first_row + lane;
    const i64 offset = block.batch_idx * params.o_stride.batch +
                       q_index(row) * params.o_stride.seq + q_head(row) * params.o_stride.head;
    for (int d = 0; d < problem.head_dim_v; ++d) {
      const float value = scratch.o_t[d * kBlockM + lane] * inverse;
      if (problem.dtype == Dtype::kFp32)
        static_cast<float*>(params.o)[offset + d] = value;
      else
        static_cast<std::uint16_t*>(params.o)[offset + d] =
            problem.dtype == Dtype::kBf16 ? to_bf16(value) : to_fp16(value);
    }
    if (params.lse == nullptr) return;
    const i64 head = i64{block.batch_idx} * params.num_heads_q + q_head(row);
    params.lse[head * params.seqlen_q + q_index(row)] =
        sum == 0 ? -kInfinity
                 : scratch.row_max[lane] * std::fabs(params.softmax_scale) + std::log(sum);
  }

  [[gnu::always_inline]] void run() {
    begin();
    const auto [least, most] = std::minmax_element(scratch.limit, scratch.limit + block.num_rows);
    for (int key = 0; key < *most; key += kBlockN) {
      const int keys = std::min(kBlockN, *most - key);
      step(key, keys, key + keys > *least);
    }
    for (int lane = 0; lane < block.num_rows; ++lane) write_row(lane);
  }
};

}  // namespace flashjit::cpu
