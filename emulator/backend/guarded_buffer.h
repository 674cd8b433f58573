// Host memory that stands in for a GPU's: an access past either end lands on a page that nobody may
// touch and becomes a Failure of the thread that made it. The end is exact to 16 bytes, the start
// to a page.
#pragma once

#include <cstddef>
#include <span>

namespace flashjit::emu {

class GuardedBuffer {
 public:
  // Filled with 0xff: NaN in every dtype.
  explicit GuardedBuffer(std::size_t bytes);
  ~GuardedBuffer();
  GuardedBuffer(GuardedBuffer&& other) noexcept;
  GuardedBuffer& operator=(GuardedBuffer&&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  template <class T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data_), size_ / sizeof(T)};
  }

 private:
  std::byte* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0, size_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace flashjit::emu
