// Two kernels that may run at the same time never get one counter: it decides which tiles are done.
#include "tile_counters.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>

#include "cuda_executor.h"
#include "driver_library.h"
#include "problem.h"
#include "runtime/fake_cuda/open_fake_cuda.h"
#include "support/catch.h"
#include "variant_name.h"

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

TEST_CASE("when all counters are taken there is none for new streams, and known ones go on") {
  const Fixture f;
  void* const first = f.get(f.stream(0x1000));
  std::uintptr_t streams = 1;
  while (f.get(f.stream(0x1000 * (streams + 1))) != nullptr) ++streams;
  CHECK(streams == 49152);
  CHECK(f.get(f.stream(0x1000)) == first);
  int captured = 0;
  while (f.counters.get(nullptr, /*capturing=*/true) != nullptr) ++captured;
  CHECK(captured == 65536);
}

TEST_CASE("a launch without a counter of its stream's makes one and frees it") {
  FakeCuda& fake = fresh_fake_cuda();
  fake.param_bytes = sizeof(Sm90FwdParams);
  const CudaExecutor executor(fake_cuda_settings(), 0);
  const KernelConfig config = *parse_variant_name("fwd_sm90_bf16_d64_m128n128s2", {9, 0, true});
  const auto tensor = [](std::uintptr_t address) {
    return bshd(reinterpret_cast<void*>(address), Dtype::kBf16, 2, 100, 3, 64);
  };
  AttentionArgs args;
  args.q = tensor(0x10000), args.k = tensor(0x20000);
  args.v = tensor(0x30000), args.o = tensor(0x40000);
  const ProblemShape shape = validate(args).shape;
  const std::unique_ptr<LoadedKernel> kernel = executor.load(config, {});
  const auto counter = [&] {
    executor.launch(*kernel, config, args, shape, nullptr);
    Sm90FwdParams params;
    std::memcpy(&params, fake.launches.back().params.data(), sizeof params);
    fake.launches.clear();
    return reinterpret_cast<std::uintptr_t>(params.fwd.workspace);
  };
  fake.capturing = true;
  const int before = fake.live_allocations;
  const std::uintptr_t first = counter();
  const auto zeroed = [&] {
    return std::count(fake.calls.begin(), fake.calls.end(), "cuMemsetD8Async");
  };
  for (int i = 1; i < 65536; ++i) counter();
  fake.async_calls.clear();
  fake.calls.clear();
  const std::uintptr_t own = counter();
  CHECK(fake.async_calls == std::vector<std::string>{"alloc 0", "launch 0", "free 0"});
  CHECK(zeroed() == 1);
  CHECK(own != first);
  CHECK(fake.pointers.contains(own));
  CHECK(fake.live_allocations == before);
}

}  // namespace
}  // namespace flashjit::test
