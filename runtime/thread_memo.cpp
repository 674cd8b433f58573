#include "thread_memo.h"

#include <atomic>

namespace flashjit {

std::uint64_t next_memo_id() {
  static std::atomic<std::uint64_t> counter = 0;
  return ++counter;
}

}  // namespace flashjit
