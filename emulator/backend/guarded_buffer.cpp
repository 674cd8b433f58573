#include "guarded_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "fault_handler.h"
#include "runtime/posix_file.h"

namespace flashjit::emu {
namespace {

// Mappings that exist, for the signal handler: it may take no lock.
struct Range {
  std::atomic<std::uintptr_t> begin = 0, end = 0;  // end 0: free
};
std::array<Range, 256> mappings;

bool is_guarded(std::uintptr_t address) {
  for (const Range& range : mappings) {
    if (address >= range.begin && address < range.end) return true;
  }
  return false;
}

}  // namespace

GuardedBuffer::GuardedBuffer(std::size_t bytes) : size_(bytes) {
  install_fault_handler(&is_guarded);
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  // A stray row lands on a guard as well: 1 MB on either side.
  const std::size_t guard = (std::size_t(1) << 20) / page * page;
  const std::size_t inner = (bytes + 15) / 16 * 16, pages = (inner + page - 1) / page * page;
  mapping_bytes_ = pages + 2 * guard;
  void* const mapping =
      mmap(nullptr, mapping_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw_io("cannot map memory", errno);
  mapping_ = static_cast<std::byte*>(mapping);
  if (pages > 0 && mprotect(mapping_ + guard, pages, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapping_, mapping_bytes_);
    throw_io("cannot make memory writable", errno);
  }
  std::memset(mapping_ + guard, 0xff, pages);
  data_ = mapping_ + guard + pages - inner;
  const auto begin = reinterpret_cast<std::uintptr_t>(mapping_);
  for (Range& range : mappings) {
    std::uintptr_t none = 0;
    if (!range.end.compare_exchange_strong(none, begin + mapping_bytes_)) continue;
    range.begin = begin;
    return;
  }
}

GuardedBuffer::~GuardedBuffer() {
  if (mapping_ == nullptr) return;
  for (Range& range : mappings) {
    if (range.begin != reinterpret_cast<std::uintptr_t>(mapping_)) continue;
    range.begin = 0;
    range.end = 0;
  }
  munmap(mapping_, mapping_bytes_);
}

GuardedBuffer::GuardedBuffer(GuardedBuffer&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapping_bytes_(other.mapping_bytes_),
      size_(other.size_),
      data_(other.data_) {}

}  // namespace flashjit::emu
