// A counter that warm calls may touch: no locked instruction, which would wait for the stores that
// the launch before it posted to the device, and no cache line that two threads write.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace flashjit {

class HitCounter {
 public:
  void add() {
    std::atomic<std::uint64_t>& count = shards_[thread_index()].count;
    if (&count == &shards_.back().count) {
      count.fetch_add(1, std::memory_order_relaxed);
    } else {
      count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  }
  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const Shard& shard : shards_) sum += shard.count.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  // The first threads of the process own a shard each; all others share the last.
  static constexpr std::size_t kShards = 32;
  struct alignas(64) Shard {
    std::atomic<std::uint64_t> count = 0;
  };

  static std::size_t thread_index() {
    static std::atomic<std::size_t> num_threads = 0;
    thread_local std::size_t index =
        std::min(num_threads.fetch_add(1, std::memory_order_relaxed), kShards - 1);
    return index;
  }

  std::array<Shard, kShards> shards_;
};

}  // namespace flashjit
