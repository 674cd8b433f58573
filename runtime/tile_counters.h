// The counters of dynamically scheduled kernels: one {tiles taken, CTAs done} pair per stream, zero
// between launches because the last CTA of a launch resets its pair.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "device.h"

namespace flashjit {

// Why no two running kernels share a pair: kernels of one stream run one after the other, and every
// stream has a pair of its own. The driver frees a destroyed stream's handle only after its work is
// done, so a new stream of the same handle finds the pair at rest. The per-thread stream counts as
// another one in each thread that there ever was. A captured launch may run any
// time later and beside anything, so it gets a pair for good; launches of one executable graph are
// ordered by the driver. Not covered, and documented at Runtime: two executable graphs
// that were instantiated from one capture and run at the same time.
class TileCounters {
 public:
  explicit TileCounters(std::shared_ptr<const Device> device);
  ~TileCounters();
  TileCounters(const TileCounters&) = delete;
  TileCounters& operator=(const TileCounters&) = delete;

  // Lock-free. Null when all pairs are taken: the launch needs one of its own.
  void* get(CUstream stream, bool capturing) const;
  // For who measures: all graphs that were captured with these counters are gone.
  void forget_captures() const { num_captured_.store(0, std::memory_order_relaxed); }

 private:
  static constexpr int kStreamBits = 16;
  static constexpr std::size_t kStreams = 1 << kStreamBits;    // open addressing
  static constexpr std::size_t kMaxOwners = kStreams / 4 * 3;  // so that a search ends soon
  static constexpr std::size_t kCaptured = 1 << 16;            // captured launches

  void* pair(std::size_t index) const;

  std::shared_ptr<const Device> device_;
  CUdeviceptr memory_ = 0;  // kStreams + kCaptured pairs of int
  // Key of the stream that owns pair i, 0 while it is free.
  std::unique_ptr<std::array<std::atomic<std::uint64_t>, kStreams>> owners_;
  mutable std::atomic<std::size_t> num_owners_ = 0;
  mutable std::atomic<std::size_t> num_captured_ = 0;
};

}  // namespace flashjit
