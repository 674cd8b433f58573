// What a thread selected last: validated call → kernel, without a lock and without an allocation.
// It makes a warm call one look-up, whatever select() grows into.
#pragma once

#include <cstdint>

#include "kernel_registry.h"

namespace flashjit {

class SelectionMemo {
 public:
  SelectionMemo();

  // The kernel that this thread remembered for the same call, or null.
  const Kernel* find(const ValidatedProblem& call) const;
  // `kernel` lives as long as the Runtime that owns this memo.
  void remember(const ValidatedProblem& call, const Kernel& kernel) const;

 private:
  std::uint64_t id_;  // never reused, so that a dead Runtime's entries match nothing
};

}  // namespace flashjit
