#include "tma_layout.h"

#include "kernel_src/sm90/plan.h"

namespace flashjit {
namespace {

// TMA: strides below 2^40 bytes, of dimensions that have more than one element.
constexpr std::int64_t kMaxStrideBytes = std::int64_t(1) << 40;
// Row numbers are ints in the kernel, also those just past a tile's end.
constexpr int kMaxSeqlen = 0x7fffffff - 1024;

// A dimension of one element is never stepped along, but its stride must be legal.
std::uint64_t stride_bytes(std::int64_t elements, int size, Dtype dtype) {
  return size > 1 ? std::uint64_t(elements * size_of(dtype)) : 16;
}

// [batch, rows, heads, head_dim] with boxes of `box_rows` rows and `box_panels` panels. Only a head
// dim of whole panels is cut into panels here: else the columns past its end would be the next
// head's instead of outside of the tensor.
TensorMapSpec make_spec(const TensorView& view,
                        const Strides& stride,
                        int rows,
                        int heads,
                        int batch,
                        int head_dim,
                        int box_rows,
                        bool all_panels) {
  const bool whole = head_dim % kPanelColumns == 0;
  const int panels = whole ? head_dim / kPanelColumns : 1;
  return {
      .base = view.data,
      .dtype = view.dtype,
      .dims = {std::uint64_t(whole ? kPanelColumns : head_dim),
               std::uint64_t(rows),
               std::uint64_t(panels),
               std::uint64_t(heads),
               std::uint64_t(batch)},
      .strides = {stride_bytes(stride.seq, rows, view.dtype),
                  kPanelRowBytes,
                  stride_bytes(stride.head, heads, view.dtype),
                  stride_bytes(stride.batch, batch, view.dtype)},
      .box = {
          kPanelColumns, std::uint32_t(box_rows), std::uint32_t(all_panels ? panels : 1), 1, 1}};
}

// The map of a last panel that is narrower than the others.
std::optional<TensorMapSpec> narrow_panel(TensorMapSpec map, int head_dim) {
  if (!has_narrow_panel(head_dim)) return std::nullopt;
  map.swizzle_bytes = last_panel_row_bytes(head_dim);
  map.box[0] = std::uint32_t(map.swizzle_bytes / size_of(map.dtype));
  return map;
}

// The bound comes before the product, which any stride could overflow.
bool is_expressible(std::int64_t stride, int size, Dtype dtype) {
  return size <= 1 || (stride > 0 && stride < kMaxStrideBytes / size_of(dtype) &&
                       stride * size_of(dtype) % 16 == 0);
}

bool is_expressible(const Strides& stride, int rows, int heads, int batch, Dtype dtype) {
  return is_expressible(stride.seq, rows, dtype) && is_expressible(stride.head, heads, dtype) &&
         is_expressible(stride.batch, batch, dtype);
}

}  // namespace

Sm90TensorMaps sm90_tensor_maps(const KernelConfig& config,
                                const AttentionArgs& args,
                                const ProblemShape& s) {
  const Problem& p = config.problem;
  const Tiling& t = config.tiling;
  Sm90TensorMaps maps = {
      .q = make_spec(args.q,
                     s.q_stride,
                     s.seqlen_q,
                     s.num_heads_q,
                     s.batch,
                     p.head_dim_qk,
                     kWarpgroupRows,
                     true),
      .k = make_spec(
          args.k, s.k_stride, s.seqlen_kv, s.num_heads_kv, s.batch, p.head_dim_qk, t.block_n, true),
      .v = make_spec(
          args.v, s.v_stride, s.seqlen_kv, s.num_heads_kv, s.batch, p.head_dim_v, t.block_n, true),
      .o = make_spec(args.o,
                     s.o_stride,
                     s.seqlen_q,
                     s.num_heads_q,
                     s.batch,
                     p.head_dim_v,
                     kWarpgroupRows,
                     false),
      .q_tail = std::nullopt,
      .k_tail = std::nullopt,
      .v_tail = std::nullopt,
      .o_tail = std::nullopt};
  maps.q_tail = narrow_panel(maps.q, p.head_dim_qk);
  maps.k_tail = narrow_panel(maps.k, p.head_dim_qk);
  maps.o_tail = narrow_panel(maps.o, p.head_dim_v);
  if (sm90_ones_beside_v(config)) {
    maps.v_tail = maps.v;
    maps.v_tail->box[0] = std::uint32_t(p.head_dim_v % kPanelColumns);
  }
  return maps;
}

const char* why_not_sm90(const Problem& problem, const ProblemShape& s) {
  if (problem.dtype == Dtype::kFp32) return "sm90: fp16 and bf16 only";
  if (s.seqlen_kv == 0 || s.seqlen_q == 0 || s.batch == 0)
    return "sm90: a tensor without elements has no tensor map";
  if (s.softmax_scale < 0.0f) return "sm90: the softmax scale is negative";
  if (s.seqlen_q > kMaxSeqlen || s.seqlen_kv > kMaxSeqlen) return "sm90: the sequence is too long";
  const std::int64_t pairs = std::int64_t(s.num_heads_q) * s.batch;
  if ((std::int64_t(s.seqlen_q) + kWarpgroupRows - 1) / kWarpgroupRows * pairs > 0x3fffffff)
    return "sm90: too many tiles for one launch";
  if (!is_expressible(s.q_stride, s.seqlen_q, s.num_heads_q, s.batch, problem.dtype) ||
      !is_expressible(s.k_stride, s.seqlen_kv, s.num_heads_kv, s.batch, problem.dtype) ||
      !is_expressible(s.v_stride, s.seqlen_kv, s.num_heads_kv, s.batch, problem.dtype) ||
      !is_expressible(s.o_stride, s.seqlen_q, s.num_heads_q, s.batch, problem.dtype))
    return "sm90: a stride is 0 or too large for a tensor map";
  return nullptr;
}

}  // namespace flashjit
