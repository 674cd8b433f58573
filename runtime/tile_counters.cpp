#include "tile_counters.h"

#include "mixer.h"

namespace flashjit {
namespace {

constexpr std::size_t kPairBytes = 8;

// Odd, and above the legacy stream's handle, so no address and no handle is one. Never used again:
// a thread's last kernel may outlive the thread.
std::uint64_t next_thread_key() {
  static std::atomic<std::uint64_t> next = 3;
  return next.fetch_add(2, std::memory_order_relaxed);
}

// A number that two streams share only if they are the same stream; never 0. The legacy stream has
// two handles, and the per-thread one has one handle for all threads.
std::uint64_t key_of(CUstream stream) {
  if (stream == CU_STREAM_PER_THREAD) {
    thread_local const std::uint64_t key = next_thread_key();
    return key;
  }
  if (stream == nullptr) return reinterpret_cast<std::uintptr_t>(CU_STREAM_LEGACY);
  return reinterpret_cast<std::uintptr_t>(stream);
}

}  // namespace

TileCounters::TileCounters(std::shared_ptr<const Device> device)
    : device_(std::move(device)),
      owners_(std::make_unique<std::array<std::atomic<std::uint64_t>, kStreams>>()) {
  const CurrentContext current(*device_);
  const DriverLibrary& driver = device_->driver();
  constexpr std::size_t kBytes = (kStreams + kCaptured) * kPairBytes;
  driver.check(driver.mem_alloc(&memory_, kBytes));
  // On the legacy stream, then waited for: pairs are zero before any stream can use one.
  CUresult result = driver.memset_d8_async(memory_, 0, kBytes, nullptr);
  if (result == CUDA_SUCCESS) result = driver.stream_synchronize(nullptr);
  if (result != CUDA_SUCCESS) {
    driver.mem_free(memory_);
    driver.check(result);
  }
}

TileCounters::~TileCounters() try {
  const CurrentContext current(*device_);
  device_->driver().mem_free(memory_);
} catch (const Error&) {
  // At process exit the driver may be gone before us.
}

void* TileCounters::pair(std::size_t index) const {
  return reinterpret_cast<void*>(memory_ + index * kPairBytes);
}

void* TileCounters::get(CUstream stream, bool capturing) const {
  if (capturing) {
    const std::size_t index = num_captured_.fetch_add(1, std::memory_order_relaxed);
    return index < kCaptured ? pair(kStreams + index) : nullptr;
  }
  const std::uint64_t key = key_of(stream);
  Mixer hash;
  hash.add(key);
  const std::size_t home = hash.top_bits(kStreamBits);
  for (std::size_t step = 0; step < kStreams; ++step) {
    const std::size_t index = (home + step) % kStreams;
    std::atomic<std::uint64_t>& owner = (*owners_)[index];
    std::uint64_t found = owner.load(std::memory_order_relaxed);
    if (found == 0) {
      // Threads that come at once may take a few more than the limit.
      if (num_owners_.load(std::memory_order_relaxed) >= kMaxOwners) return nullptr;
      if (owner.compare_exchange_strong(found, key, std::memory_order_relaxed)) {
        num_owners_.fetch_add(1, std::memory_order_relaxed);
        return pair(index);
      }
    }
    if (found == key) return pair(index);
  }
  return nullptr;
}

}  // namespace flashjit
