// Two kernels that may run at the same time never get one counter: it decides which tiles are done.
#include "tile_counters.h"

#include <set>
#include <thread>

#include "driver_library.h"
#include "flashjit/error.h"
#include "runtime/fake_cuda/open_fake_cuda.h"
#include "support/catch.h"

namespace flashjit::test {
namespace {

struct Fixture {
  Fixture() { fresh_fake_cuda(); }

  CUstream stream(std::uintptr_t handle) const { return reinterpret_cast<CUstream>(handle); }
  void* get(CUstream stream) const { return counters.get(stream, /*capturing=*/false); }

  std::shared_ptr<const Device> device =
      std::make_shared<const Device>(std::make_shared<const DriverLibrary>(fake_cuda_path()), 0);
  TileCounters counters{device};
};

TEST_CASE("a stream keeps its counter, and no two streams share one") {
  const Fixture f;
  std::set<void*> seen;
  for (std::uintptr_t i = 1; i <= 3000; ++i) seen.insert(f.get(f.stream(0x7f0000001000 + 16 * i)));
  CHECK(seen.size() == 3000);
  for (std::uintptr_t i = 1; i <= 3000; ++i) seen.insert(f.get(f.stream(0x7f0000001000 + 16 * i)));
  CHECK(seen.size() == 3000);
  CHECK(f.get(nullptr) == f.get(CU_STREAM_LEGACY));
  CHECK(!seen.contains(f.get(nullptr)));
}

TEST_CASE("each thread has a stream of its own, also one that takes a dead one's place") {
  const Fixture f;
  std::set<void*> seen = {f.get(CU_STREAM_PER_THREAD), f.get(CU_STREAM_LEGACY)};
  CHECK(seen.size() == 2);
  CHECK(seen.contains(f.get(CU_STREAM_PER_THREAD)));
  for (int i = 0; i < 20; ++i) {
    std::jthread([&] {
      void* const mine = f.get(CU_STREAM_PER_THREAD);
      CHECK(seen.insert(mine).second);
      CHECK(f.get(CU_STREAM_PER_THREAD) == mine);
    });
  }
  CHECK(seen.size() == 22);
}

TEST_CASE("every captured launch has a counter for good") {
  const Fixture f;
  std::set<void*> seen = {f.get(nullptr)};
  for (int i = 0; i < 100; ++i) seen.insert(f.counters.get(nullptr, /*capturing=*/true));
  CHECK(seen.size() == 101);
  f.counters.forget_captures();
  CHECK(seen.contains(f.counters.get(nullptr, /*capturing=*/true)));
}

TEST_CASE("when all counters are taken the error says so, and known streams go on") {
  const Fixture f;
  void* const first = f.get(f.stream(0x1000));
  const auto fill = [&] {
    for (std::uintptr_t i = 2; i <= (1 << 16) + 1; ++i) f.get(f.stream(0x1000 * i));
  };
  CHECK_THROWS_AS(fill(), Error);
  CHECK(f.get(f.stream(0x1000)) == first);
}

}  // namespace
}  // namespace flashjit::test
