#include "support/allocation_count.h"

#include <cstdlib>
#include <new>

namespace {

thread_local int t_allocations = 0;

void* allocate(std::size_t size) {
  ++t_allocations;
  return std::malloc(size != 0 ? size : 1);
}

}  // namespace

// Replaces the program's. A text of its own, so that the compiler does not inline one without the
// other and warn of a mismatch. The one that does not throw as well: a sanitizer's own would not
// call ours, and then see free() end what it began.
void* operator new(std::size_t size) {
  if (void* memory = allocate(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace flashjit::test {

int count_allocations(const std::function<void()>& body) {
  const int before = t_allocations;
  body();
  return t_allocations - before;
}

}  // namespace flashjit::test
