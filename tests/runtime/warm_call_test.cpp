// What a warm call asks of the driver and of the heap, counted: a call that a thread has made
// before is worth a launch and little else.
#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "cubin_cache.h"
#include "flashjit/flashjit.h"
#include "kernel_registry.h"
#include "problem.h"
#include "runtime/fake_cuda/open_fake_cuda.h"
#include "select.h"
#include "support/allocation_count.h"
#include "support/c_attention.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/environment.h"
#include "support/temp_dir.h"
#include "variant_source.h"

namespace flashjit::test {
namespace {

using Calls = std::vector<std::string_view>;

KernelConfig parsed(const char* variant) { return *parse_variant_name(variant, {9, 0, true}); }
const KernelConfig kStatic = parsed("fwd_sm90_bf16_d64_m128n128s2_static");
const KernelConfig kDynamic = parsed("fwd_sm90_bf16_d64_m128n128s2");
const KernelConfig kSm80 = parsed("fwd_sm80_bf16_d64_m128n64s2");

// The call with tensors of set `number`, in made-up memory.
AttentionArgs some_args(std::uintptr_t number = 0) {
  AttentionArgs args;
  std::uintptr_t address = 0x100000 * (number + 1);
  for (TensorView* tensor : {&args.q, &args.k, &args.v, &args.o}) {
    *tensor = bshd(reinterpret_cast<void*>(address), Dtype::kBf16, 2, 100, 3, 64);
    address += 0x10000;
  }
  return args;
}

// A Runtime on the fake device whose cache directory holds the one variant that it may run.
class WarmRuntime {
 public:
  explicit WarmRuntime(const KernelConfig& config) {
    const KernelSources sources = KernelSources::embedded();
    const VariantSource source = make_variant_source(config, sources);
    CacheEntry entry;
    entry.variant = source.name;
    entry.arch = arch_name(config.arch);
    entry.compiler_build = "nvrtc 13 0123456789ab";
    entry.key = make_cache_key(source, entry.compiler_build);
    entry.sources_digest = source.sources_digest;
    entry.binary.code = {std::byte{1}};
    Settings settings;
    settings.cache_dir = cache_.path();
    CubinCache(settings, CapturedLog().logger).publish(entry);

    environment_.set("FLASHJIT_LIBCUDA", fake_cuda_path());
    environment_.set("FLASHJIT_CACHE_DIR", cache_.path().string());
    environment_.set("FLASHJIT_OFFLINE", "1");
    Options options;
    options.backend = Backend::kCuda;
    options.tiling = config.tiling;
    runtime.emplace(options);
    fake.current = primary_context(0);  // as in any program that has used the device
  }

  FakeCuda& fake = fresh_fake_cuda();
  std::optional<Runtime> runtime;

  // The same, known to the driver as the device's memory.
  AttentionArgs args(std::uintptr_t number = 0) {
    const AttentionArgs args = some_args(number);
    for (const TensorView* tensor : {&args.q, &args.k, &args.v, &args.o})
      fake.pointers[reinterpret_cast<std::uintptr_t>(tensor->data)] = {
          CU_MEMORYTYPE_DEVICE, 0, false};
    return args;
  }

  // The driver calls of `body`.
  Calls calls_of(const std::function<void()>& body) {
    fake.calls.clear();
    body();
    return fake.calls;
  }
  // Those of the heap, without the fake's own.
  int allocations_of(const std::function<void()>& body) {
    fake.calls.reserve(1000);
    fake.launches.reserve(1000);
    fake.async_calls.reserve(1000);
    return count_allocations(body);
  }

 private:
  TempDir cache_;
  ScopedEnvironment environment_;
};

}  // namespace

TEST_CASE("a warm Hopper call is one look at the context and one launch") {
  WarmRuntime warm(kStatic);
  const AttentionArgs args = warm.args();
  const Calls cold = warm.calls_of([&] { warm.runtime->forward(args); });
  CHECK(std::count(cold.begin(), cold.end(), "cuTensorMapEncodeTiled") == 4);
  CHECK(std::count(cold.begin(), cold.end(), "cuPointerGetAttributes") == 4);
  CHECK(std::count(cold.begin(), cold.end(), "cuModuleLoadDataEx") == 1);
  for (int i = 0; i < 3; ++i)
    CHECK(warm.calls_of([&] { warm.runtime->forward(args); }) ==
          Calls{"cuCtxGetCurrent", "cuLaunchKernelEx"});
}

TEST_CASE("a kernel that draws its tiles also asks whether the stream is capturing") {
  WarmRuntime warm(kDynamic);
  const AttentionArgs args = warm.args();
  warm.runtime->forward(args);
  CHECK(warm.calls_of([&] { warm.runtime->forward(args); }) ==
        Calls{"cuCtxGetCurrent", "cuStreamIsCapturing", "cuLaunchKernelEx"});
}

TEST_CASE("a warm call of the sm80 family is one look at the context and one launch") {
  WarmRuntime warm(kSm80);
  const AttentionArgs args = warm.args();
  warm.runtime->forward(args);
  CHECK(warm.calls_of([&] { warm.runtime->forward(args); }) ==
        Calls{"cuCtxGetCurrent", "cuLaunchKernelEx"});
}

TEST_CASE("another context of the caller costs its change and its return") {
  WarmRuntime warm(kStatic);
  const AttentionArgs args = warm.args();
  warm.runtime->forward(args);
  warm.fake.current = reinterpret_cast<CUcontext>(0xABC);
  CHECK(warm.calls_of([&] { warm.runtime->forward(args); }) ==
        Calls{"cuCtxGetCurrent", "cuCtxSetCurrent", "cuLaunchKernelEx", "cuCtxSetCurrent"});
}

TEST_CASE("the layers of a model are warm after one pass") {
  WarmRuntime warm(kStatic);
  std::vector<AttentionArgs> layers;
  for (std::uintptr_t i = 0; i < 8; ++i) layers.push_back(warm.args(i));
  const auto pass = [&] {
    for (const AttentionArgs& args : layers) warm.runtime->forward(args);
  };
  pass();
  const Calls calls = warm.calls_of(pass);
  // A table may keep one of two tensors that fall into one place; most are kept.
  CHECK(std::count(calls.begin(), calls.end(), "cuTensorMapEncodeTiled") <= 8);
  CHECK(std::count(calls.begin(), calls.end(), "cuPointerGetAttributes") <= 8);
  CHECK(std::count(calls.begin(), calls.end(), "cuLaunchKernelEx") == 8);
}

TEST_CASE("what is remembered is the call's own: other tensors and other shapes launch as such") {
  WarmRuntime warm(kStatic);
  warm.fake.param_bytes = sizeof(Sm90FwdParams);
  const auto launched = [&](const AttentionArgs& args) {
    warm.runtime->forward(args);
    Sm90FwdParams params;
    std::memcpy(&params, warm.fake.launches.back().params.data(), sizeof params);
    return params;
  };
  const AttentionArgs first = warm.args(), second = warm.args(1);
  for (int i = 0; i < 2; ++i) {
    for (const AttentionArgs& args : {first, second}) {
      const Sm90FwdParams params = launched(args);
      CHECK(params.q.opaque[0] == reinterpret_cast<std::uintptr_t>(args.q.data));
      CHECK(params.o.opaque[0] == reinterpret_cast<std::uintptr_t>(args.o.data));
      CHECK(params.fwd.k == args.k.data);
      AttentionArgs shorter = args;
      shorter.k.shape[1] = shorter.v.shape[1] = 50;
      warm.fake.tensor_maps.clear();
      CHECK(launched(shorter).fwd.seqlen_kv == 50);
      for (const FakeTensorMap& map : warm.fake.tensor_maps) CHECK(map.dims[1] == 50);
      CHECK(warm.fake.tensor_maps.size() == (i == 0 ? 2 : 0));  // k and v; q and o are known
    }
  }
}

TEST_CASE("a warm call allocates nothing, through C++ and through C") {
  const ValidatedProblem call = validate(some_args());
  // What the C runtime below, which takes no tiling, will choose.
  DeviceInfo device;
  device.arch = {9, 0, true};
  device.sm_count = 132;
  device.l2_bytes = 50 << 20;
  WarmRuntime warm(select(call.problem, call.shape, device, {}, {}).config);
  const AttentionArgs args = warm.args();
  const auto forward = [&] { warm.runtime->forward(args); };
  forward();
  CHECK(warm.allocations_of(forward) == 0);

  flashjit_runtime* runtime = nullptr;
  REQUIRE(flashjit_create(nullptr, &runtime) == FLASHJIT_OK);
  const flashjit_attention attention = to_c(args);
  flashjit_status status = flashjit_forward(runtime, &attention, nullptr);
  CHECK(status == FLASHJIT_OK);
  const auto forward_c = [&] { status = flashjit_forward(runtime, &attention, nullptr); };
  const std::size_t launches = warm.fake.launches.size();
  CHECK(warm.allocations_of(forward_c) == 0);
  CHECK(status == FLASHJIT_OK);
  CHECK(warm.fake.launches.size() == launches + 1);
  flashjit_destroy(runtime);
}

TEST_CASE("threads are warm each for itself, and the hits of all are counted") {
  WarmRuntime warm(kStatic);
  const AttentionArgs args = warm.args();
  warm.runtime->forward(args);
  for (int t = 0; t < 40; ++t) {  // more threads than have a counter of their own
    std::thread([&] {
      warm.runtime->forward(args);
      CHECK(warm.calls_of([&] { warm.runtime->forward(args); }) ==
            Calls{"cuCtxGetCurrent", "cuLaunchKernelEx"});
    }).join();
  }
  // The first call of a thread finds the kernel in the registry, the others in what it remembers.
  CHECK(warm.runtime->stats().memory_hits == 80);
}

}  // namespace flashjit::test
