#include "support/allocation_count.h"

#include <cstdlib>
#include <new>

namespace {

thread_local int t_allocations = 0;

}  // namespace

// Replaces the program's. A text of its own, so that the compiler does not inline one without the
// other and warn of a mismatch.
void* operator new(std::size_t size) {
  ++t_allocations;
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace flashjit::test {

int count_allocations(const std::function<void()>& body) {
  const int before = t_allocations;
  body();
  return t_allocations - before;
}

}  // namespace flashjit::test
