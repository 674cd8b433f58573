// Counts operator new: shows that a warm call has no use for the heap.
#pragma once

#include <functional>

namespace flashjit::test {

// How often `body` allocated on this thread.
int count_allocations(const std::function<void()>& body);

}  // namespace flashjit::test
