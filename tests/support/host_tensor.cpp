#include "support/host_tensor.h"

#include <algorithm>

namespace flashjit::test {
namespace {

// More than the widest access of a kernel past the end: 128 rows of head_dim 16 in bf16.
constexpr std::size_t kGuardBytes = 4096;

std::array<std::int64_t, 4> make_strides(const std::array<std::int64_t, 4>& shape, Layout layout) {
  const auto [batch, seqlen, heads, dim] = shape;
  switch (layout) {
    case Layout::kBshd:
      return {seqlen * heads * dim, heads * dim, dim, 1};
    case Layout::kBhsd:
      return {heads * seqlen * dim, dim, seqlen * dim, 1};
    case Layout::kFused:
      return {seqlen * 3 * heads * dim, 3 * heads * dim, dim, 1};
    case Layout::kPadded:
      break;
  }
  const std::int64_t head = dim + 8, row = heads * head + 16;
  return {seqlen * row + 24, row, head, 1};
}

}  // namespace

const char* name_of(Layout layout) {
  switch (layout) {
    case Layout::kBshd:
      return "bshd";
    case Layout::kBhsd:
      return "bhsd";
    case Layout::kFused:
      return "fused";
    case Layout::kPadded:
      return "padded";
  }
  return "?";
}

HostTensor::HostTensor(Scalar scalar, std::array<std::int64_t, 4> shape, Layout layout)
    : scalar_(scalar), shape_(shape), strides_(make_strides(shape, layout)) {
  std::int64_t elements = 1;
  for (int i = 0; i < 4; ++i) elements += std::max<std::int64_t>(shape[i] - 1, 0) * strides_[i];
  bytes_.resize(elements * bytes_of(scalar) + 2 * kGuardBytes + 64, std::byte{0xff});
  const auto address = reinterpret_cast<std::uintptr_t>(bytes_.data()) + kGuardBytes;
  data_offset_ = kGuardBytes + (64 - address % 64) % 64;
}

std::size_t HostTensor::position(std::int64_t b,
                                 std::int64_t s,
                                 std::int64_t h,
                                 std::int64_t d) const {
  const std::int64_t index = b * strides_[0] + s * strides_[1] + h * strides_[2] + d * strides_[3];
  return data_offset_ + index * bytes_of(scalar_);
}

double HostTensor::get(std::int64_t b, std::int64_t s, std::int64_t h, std::int64_t d) const {
  return decode(scalar_, &bytes_[position(b, s, h, d)]);
}

void HostTensor::set(std::int64_t b, std::int64_t s, std::int64_t h, std::int64_t d, double value) {
  encode(scalar_, value, &bytes_[position(b, s, h, d)]);
}

std::string HostTensor::find_damage() const {
  std::vector<bool> is_element(bytes_.size());
  const std::size_t row_bytes = shape_[3] * bytes_of(scalar_);
  for (std::int64_t b = 0; b < shape_[0]; ++b)
    for (std::int64_t s = 0; s < shape_[1]; ++s)
      for (std::int64_t h = 0; h < shape_[2]; ++h)
        std::fill_n(is_element.begin() + position(b, s, h, 0), row_bytes, true);
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    if (!is_element[i] && bytes_[i] != std::byte{0xff})
      return "byte " +
             std::to_string(static_cast<std::int64_t>(i) -
                            static_cast<std::int64_t>(data_offset_)) +
             " from the first element was overwritten";
  }
  return "";
}

}  // namespace flashjit::test
