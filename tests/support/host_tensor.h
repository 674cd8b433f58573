// A tensor in host memory for tests: any strides, guard bytes around it, and everything that is not
// an element of the view filled with 0xff, which reads as NaN in every dtype.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "support/scalar.h"

namespace flashjit::test {

enum class Layout {
  kBshd,    // [batch, seqlen, heads, head_dim], dense
  kBhsd,    // [batch, heads, seqlen, head_dim], dense
  kFused,   // a slice of [batch, seqlen, 3·heads, head_dim], as of a fused QKV projection
  kPadded,  // every dimension but the last stepped further than it must be
};
const char* name_of(Layout layout);

class HostTensor {
 public:
  HostTensor() = default;
  // Shape is {batch, seqlen, heads, head_dim}. All bytes are 0xff.
  HostTensor(Scalar scalar, std::array<std::int64_t, 4> shape, Layout layout);

  Scalar scalar() const { return scalar_; }
  const std::array<std::int64_t, 4>& shape() const { return shape_; }
  const std::array<std::int64_t, 4>& strides() const { return strides_; }  // elements

  double get(std::int64_t batch, std::int64_t seq, std::int64_t head, std::int64_t dim) const;
  void set(std::int64_t batch, std::int64_t seq, std::int64_t head, std::int64_t dim, double value);

  // All bytes, guards included, and where among them the first element stands (64-byte aligned).
  std::vector<std::byte>& bytes() { return bytes_; }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  std::size_t data_offset() const { return data_offset_; }
  std::byte* data() { return bytes_.data() + data_offset_; }

  // The first byte that is not an element and no longer 0xff, in words; "" if there is none.
  std::string find_damage() const;

 private:
  std::size_t position(std::int64_t b, std::int64_t s, std::int64_t h, std::int64_t d) const;

  Scalar scalar_ = Scalar::kFp32;
  std::array<std::int64_t, 4> shape_{}, strides_{};
  std::size_t data_offset_ = 0;
  std::vector<std::byte> bytes_;
};

}  // namespace flashjit::test
