#include "problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "variant_source.h"

namespace flashjit {
namespace {

constexpr std::array<const char*, 4> kDims = {"batch", "seqlen", "heads", "head_dim"};
constexpr int kMaxHeadDim = 256;
// Room for kernels to round a size up to a tile in 32 bit.
constexpr std::int64_t kMaxSize = std::int64_t{1} << 30;

template <typename... T>
[[noreturn]] void invalid(fmt::format_string<T...> format, T&&... values) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format(format, std::forward<T>(values)...));
}

bool is_empty(const TensorView& tensor) {
  const auto& shape = tensor.shape;
  return shape[0] == 0 || shape[1] == 0 || shape[2] == 0 || shape[3] == 0;
}

void check_dtypes(const AttentionArgs& args) {
  const Dtype dtype = args.q.dtype;
  if (dtype != Dtype::kFp16 && dtype != Dtype::kBf16 && dtype != Dtype::kFp32)
    invalid("q.dtype is {}, which is no dtype; use fp16 (0), bf16 (1) or fp32 (2)",
            static_cast<int>(dtype));
  const auto same = [&](const char* name, const TensorView& tensor) {
    if (tensor.dtype == dtype) return;
    const int value = static_cast<int>(tensor.dtype);
    invalid("{}.dtype is {} but q.dtype is {}; all four tensors must have one dtype",
            name,
            value >= 0 && value <= 2 ? to_string(tensor.dtype) : std::to_string(value),
            to_string(dtype));
  };
  same("k", args.k);
  same("v", args.v);
  same("o", args.o);
}

void check_sizes(const char* name, const TensorView& tensor) {
  for (int i = 0; i < 4; ++i) {
    const std::int64_t size = tensor.shape[i];
    if (size < 0)
      invalid("{}.shape[{}] ({}) is {}; it must not be negative", name, i, kDims[i], size);
    if (size > kMaxSize)
      invalid("{}.shape[{}] ({}) is {}; the most is {}", name, i, kDims[i], size, kMaxSize);
  }
  if (tensor.shape[2] == 0) invalid("{}.shape[2] (heads) is 0; it must be at least 1", name);
  const std::int64_t head_dim = tensor.shape[3];
  if (head_dim == 0 || head_dim % 8 != 0 || head_dim > kMaxHeadDim)
    invalid("{}.shape[3] (head_dim) is {}; it must be a multiple of 8 from 8 to {}{}",
            name,
            head_dim,
            kMaxHeadDim,
            head_dim % 8 != 0 && head_dim < kMaxHeadDim
                ? fmt::format(": pad it with zeros to {} and pass softmax_scale explicitly",
                              (head_dim + 7) / 8 * 8)
                : "");
}

void check_same(const char* name,
                const TensorView& tensor,
                const char* other_name,
                const TensorView& other,
                int dim) {
  if (tensor.shape[dim] != other.shape[dim])
    invalid("{0}.shape[{2}] ({3}) is {4} but {1}.shape[{2}] is {5}; they must be equal",
            name,
            other_name,
            dim,
            kDims[dim],
            tensor.shape[dim],
            other.shape[dim]);
}

void check_shapes(const AttentionArgs& args) {
  check_sizes("q", args.q);
  check_sizes("k", args.k);
  check_sizes("v", args.v);
  check_sizes("o", args.o);
  check_same("k", args.k, "q", args.q, 0);
  check_same("k", args.k, "q", args.q, 3);
  for (int dim : {0, 1, 2}) check_same("v", args.v, "k", args.k, dim);
  for (int dim : {0, 1, 2}) check_same("o", args.o, "q", args.q, dim);
  check_same("o", args.o, "v", args.v, 3);
  const std::int64_t heads_q = args.q.shape[2], heads_kv = args.k.shape[2];
  if (heads_q % heads_kv != 0)
    invalid(
        "q.shape[2] (heads) is {}, which {} heads of k do not divide; with grouped heads every "
        "head "
        "of k and v serves the same number of heads of q",
        heads_q,
        heads_kv);
  // Kernels count tiles of 16 rows and more in 32 bit.
  const __int128 rows = static_cast<__int128>(args.q.shape[0]) * heads_q * args.q.shape[1];
  if (rows / 16 + static_cast<__int128>(args.q.shape[0]) * heads_q > kMaxSize)
    invalid("batch x heads x seqlen of q is {} x {} x {}; the most is {} rows: split the batch",
            args.q.shape[0],
            heads_q,
            args.q.shape[1],
            16 * kMaxSize);
}

// Distance of the last element from the first, in bytes, or an error if 64 bits do not hold it.
void check_extent(const char* name, const TensorView& tensor) {
  std::int64_t extent = 0;
  bool overflow = false;
  for (int i = 0; i < 4; ++i) {
    std::int64_t step = 0;
    overflow |= __builtin_mul_overflow(
        std::max<std::int64_t>(tensor.shape[i] - 1, 0), tensor.strides[i], &step);
    overflow |= __builtin_add_overflow(extent, step, &extent);
  }
  overflow |= __builtin_mul_overflow(extent + !overflow, size_of(tensor.dtype), &extent);
  if (overflow)
    invalid(
        "{0}: the last element of shape [{1}] with strides [{2}] lies beyond 2^63 bytes; check "
        "{0}.strides, which count elements",
        name,
        fmt::join(tensor.shape, ", "),
        fmt::join(tensor.strides, ", "));
}

// The stride of a dimension of size 1 is never used, so anything goes there (as in PyTorch).
void check_strides(const char* name, const TensorView& tensor) {
  if (tensor.strides[3] != 1)
    invalid(
        "{0}.strides[3] (head_dim) is {1}; the last dimension must be contiguous, stride 1: make "
        "a contiguous copy of {0}",
        name,
        tensor.strides[3]);
  const int unit = 16 / size_of(tensor.dtype);
  for (int i = 0; i < 3; ++i) {
    const std::int64_t stride = tensor.strides[i];
    if (tensor.shape[i] <= 1) continue;
    if (stride < 0)
      invalid("{}.strides[{}] ({}) is {}; it must not be negative", name, i, kDims[i], stride);
    if ((stride & (unit - 1)) != 0)  // a division each would be a third of validate()
      invalid(
          "{}.strides[{}] ({}) is {} elements; it must be a multiple of {} elements of {}, which "
          "is 16 bytes",
          name,
          i,
          kDims[i],
          stride,
          unit,
          to_string(tensor.dtype));
  }
  if (!is_empty(tensor)) check_extent(name, tensor);
}

// Every element of the output must have an address of its own: sorted by stride, each dimension
// steps over all that the smaller ones span.
void check_output_overlap(const TensorView& o) {
  std::array<int, 3> order = {0, 1, 2};
  std::sort(order.begin(), order.end(), [&](int a, int b) { return o.strides[a] < o.strides[b]; });
  std::int64_t span = o.shape[3];
  for (int dim : order) {
    if (o.shape[dim] <= 1) continue;
    if (o.strides[dim] < span)
      invalid(
          "o.strides[{}] ({}) is {}, so that elements of the output overlap; it must be at least "
          "{} here",
          dim,
          kDims[dim],
          o.strides[dim],
          span);
    span += (o.shape[dim] - 1) * o.strides[dim];
  }
}

void check_pointer(const char* name, const void* pointer, std::uintptr_t alignment, bool required) {
  if (pointer == nullptr && required)
    invalid("{0}.data is null; pass the address of {0}'s first element", name);
  if (reinterpret_cast<std::uintptr_t>(pointer) % alignment != 0)
    invalid("{} is at {}; it must be aligned to {} bytes", name, fmt::ptr(pointer), alignment);
}

void check_data(const AttentionArgs& args, bool required) {
  check_pointer("q", args.q.data, 16, required && !is_empty(args.q));
  check_pointer("k", args.k.data, 16, required && !is_empty(args.k));
  check_pointer("v", args.v.data, 16, required && !is_empty(args.v));
  check_pointer("o", args.o.data, 16, required && !is_empty(args.o));
  check_pointer("lse", args.lse, alignof(float), false);
  check_pointer("workspace", args.workspace, 256, false);
  if (args.workspace == nullptr && args.workspace_size != 0)
    invalid("workspace is null but workspace_size is {}; pass both or neither",
            args.workspace_size);
  if (args.o.data == nullptr || is_empty(args.o)) return;
  const auto apart = [&](const char* name, const TensorView& tensor) {
    if (tensor.data == args.o.data && !is_empty(tensor))
      invalid("o.data is {}.data; the output needs memory of its own", name);
  };
  apart("q", args.q);
  apart("k", args.k);
  apart("v", args.v);
}

// Unused strides get one value, so that equal calls have equal shapes and every stride is a legal
// one for TMA.
Strides normalized(const TensorView& tensor) {
  const auto stride = [&](int dim) -> i64 {
    return tensor.shape[dim] <= 1 ? tensor.shape[3] : tensor.strides[dim];
  };
  return {stride(0), stride(1), stride(2)};
}

}  // namespace

ValidatedProblem validate(const AttentionArgs& args, bool check_pointers) {
  check_dtypes(args);
  check_shapes(args);
  check_strides("q", args.q);
  check_strides("k", args.k);
  check_strides("v", args.v);
  check_strides("o", args.o);
  if (!is_empty(args.o)) check_output_overlap(args.o);
  check_data(args, check_pointers);
  const auto alignment = args.alignment;
  if (alignment != CausalAlignment::kBottomRight && alignment != CausalAlignment::kTopLeft)
    invalid("alignment is {}; use bottom_right (0) or top_left (1)", static_cast<int>(alignment));
  const int head_dim = static_cast<int>(args.q.shape[3]);
  const float scale = args.softmax_scale.value_or(1.0f / std::sqrt(static_cast<float>(head_dim)));
  if (!std::isfinite(scale)) invalid("softmax_scale is {}; it must be finite", scale);

  const int seqlen_q = static_cast<int>(args.q.shape[1]);
  const int seqlen_kv = static_cast<int>(args.k.shape[1]);
  const bool bottom_right = alignment == CausalAlignment::kBottomRight;
  return {{.dtype = args.q.dtype,
           .head_dim_qk = head_dim,
           .head_dim_v = static_cast<int>(args.v.shape[3]),
           .mask = args.causal ? MaskKind::kCausal : MaskKind::kNone,
           .return_lse = args.lse != nullptr},
          {.batch = static_cast<int>(args.q.shape[0]),
           .seqlen_q = seqlen_q,
           .seqlen_kv = seqlen_kv,
           .num_heads_q = static_cast<int>(args.q.shape[2]),
           .num_heads_kv = static_cast<int>(args.k.shape[2]),
           .diagonal = args.causal && bottom_right ? seqlen_kv - seqlen_q : 0,
           .softmax_scale = scale,
           .q_stride = normalized(args.q),
           .k_stride = normalized(args.k),
           .v_stride = normalized(args.v),
           .o_stride = normalized(args.o)}};
}

float scale_log2(float softmax_scale) {
  constexpr float kLog2E = 1.44269504088896340736f;
  constexpr float kSmallest = 1e-30f;
  return std::max(std::fabs(softmax_scale) * kLog2E, kSmallest);
}

FwdParams make_fwd_params(const AttentionArgs& args, const ProblemShape& shape) {
  return {.q = args.q.data,
          .k = args.k.data,
          .v = args.v.data,
          .o = args.o.data,
          .lse = args.lse,
          .q_stride = shape.q_stride,
          .k_stride = shape.k_stride,
          .v_stride = shape.v_stride,
          .o_stride = shape.o_stride,
          .batch = shape.batch,
          .num_heads_q = shape.num_heads_q,
          .num_heads_kv = shape.num_heads_kv,
          .heads_per_kv = shape.num_heads_q / shape.num_heads_kv,
          .seqlen_q = shape.seqlen_q,
          .seqlen_kv = shape.seqlen_kv,
          .diagonal = shape.diagonal,
          .softmax_scale = shape.softmax_scale,
          .softmax_scale_log2 = scale_log2(shape.softmax_scale),
          .negate_q = shape.softmax_scale < 0,
          .workspace = nullptr};
}

double flop_count(const Problem& problem, const ProblemShape& shape) {
  double visible = static_cast<double>(shape.seqlen_q) * shape.seqlen_kv;
  if (problem.mask == MaskKind::kCausal) {
    // Row i sees clamp(i + diagonal + 1, 0, seqlen_kv) keys: none, then a triangle, then all.
    const double rows = shape.seqlen_q, diagonal = shape.diagonal, keys = shape.seqlen_kv;
    const double first = std::clamp(-diagonal, 0.0, rows);
    const double full = std::clamp(keys - diagonal, first, rows);
    const double triangle = (full - first) * (first + full + 2 * diagonal + 1) / 2;
    visible = triangle + (rows - full) * keys;
  }
  return 2.0 * shape.batch * shape.num_heads_q * visible *
         (problem.head_dim_qk + problem.head_dim_v);
}

}  // namespace flashjit
