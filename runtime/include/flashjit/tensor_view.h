// A borrowed view of a tensor in device memory (host memory for the CPU and emulated backends).
#pragma once

#include <array>
#include <cstdint>

#include "flashjit/kernel_config.h"

namespace flashjit {

// Logical order is always [batch, seqlen, heads, head_dim]; a layout is a pattern of strides.
// Strides are in elements; an input may have stride 0 (broadcast). The last dimension is
// contiguous. The pointer and the other strides are multiples of 16 bytes.
struct TensorView {
  void* data = nullptr;
  Dtype dtype = Dtype::kBf16;
  std::array<std::int64_t, 4> shape{};    // {batch, seqlen, heads, head_dim}
  std::array<std::int64_t, 4> strides{};  // elements, of the same dimensions
};

// Dense [batch, seqlen, heads, head_dim].
constexpr TensorView bshd(void* data,
                          Dtype dtype,
                          std::int64_t batch,
                          std::int64_t seqlen,
                          std::int64_t heads,
                          std::int64_t head_dim) {
  return {data,
          dtype,
          {batch, seqlen, heads, head_dim},
          {seqlen * heads * head_dim, heads * head_dim, head_dim, 1}};
}

// Dense [batch, heads, seqlen, head_dim]; the view's logical order is still batch, seqlen, heads,
// head_dim.
constexpr TensorView bhsd(void* data,
                          Dtype dtype,
                          std::int64_t batch,
                          std::int64_t heads,
                          std::int64_t seqlen,
                          std::int64_t head_dim) {
  return {data,
          dtype,
          {batch, seqlen, heads, head_dim},
          {heads * seqlen * head_dim, head_dim, seqlen * head_dim, 1}};
}

}  // namespace flashjit
