#include "flashjit/flashjit.h"

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "support/allocation_count.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/check_attention.h"
#include "support/environment.h"
#include "support/fake_executor.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

alignas(256) std::byte g_memory[5][64];

AttentionArgs some_args(std::int64_t seqlen = 100) {
  AttentionArgs args;
  args.q = bshd(g_memory[0], Dtype::kBf16, 2, seqlen, 4, 64);
  args.k = bshd(g_memory[1], Dtype::kBf16, 2, seqlen, 4, 64);
  args.v = bshd(g_memory[2], Dtype::kBf16, 2, seqlen, 4, 64);
  args.o = bshd(g_memory[3], Dtype::kBf16, 2, seqlen, 4, 64);
  return args;
}

// A Runtime on a fake device with a cache directory of its own.
struct Fixture {
  TempDir cache;
  std::shared_ptr<FakeDevice> device = install_fake_device();
  Runtime runtime{options()};

  Options options() const {
    Options options;
    options.backend = Backend::kEmulated;
    options.cache_dir = cache.path();
    return options;
  }
};

ErrorCode code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kOk;
}

}  // namespace

TEST_CASE("the first call compiles and launches, later ones only launch") {
  Fixture f;
  const auto stream = reinterpret_cast<Stream>(g_memory[4]);
  Stream launched_on = nullptr;
  f.device->on_launch = [&](const KernelConfig&, Stream s) { launched_on = s; };
  f.runtime.forward(some_args(), stream);
  REQUIRE(launched_on == stream);
  for (int i = 0; i < 9; ++i) f.runtime.forward(some_args());
  REQUIRE(f.device->compiles == 1);
  REQUIRE(f.device->loads == 1);
  REQUIRE(f.device->launches == 10);
  REQUIRE(f.device->pointer_checks == 10);
  REQUIRE(f.runtime.stats().compiles == 1);
  REQUIRE(f.runtime.stats().memory_hits == 9);
}

TEST_CASE("a warm call allocates nothing") {
  Fixture f;
  const AttentionArgs args = some_args();
  f.runtime.forward(args);
  f.runtime.forward(args);
  REQUIRE(count_allocations([&] { f.runtime.forward(args); }) == 0);
  REQUIRE(count_allocations([&] { f.runtime.prepare(args); }) > 0);  // the counter works
}

TEST_CASE("other shapes of one variant share its kernel") {
  Fixture f;
  // More shapes than a thread remembers, all long enough for one tiling.
  for (int i = 1; i <= 200; ++i) f.runtime.forward(some_args(1000 + i));
  for (int i = 1; i <= 200; ++i) f.runtime.forward(some_args(1000 + i));
  REQUIRE(f.device->launches == 400);
  REQUIRE(f.device->compiles == 1);
  AttentionArgs causal = some_args(1001);
  causal.causal = true;
  f.runtime.forward(causal);
  REQUIRE(f.device->compiles == 2);
  REQUIRE(f.runtime.loaded_variants().size() == 2);
}

TEST_CASE("two Runtimes of one thread do not mix up their kernels") {
  auto first_device = install_fake_device();
  TempDir cache;
  Options options;
  options.backend = Backend::kEmulated;
  options.cache_dir = cache.path();
  Runtime first(options);
  auto second_device = install_fake_device();
  options.family = Family::kSimt;
  Runtime second(options);
  Family launched{};
  first_device->on_launch = second_device->on_launch = [&](const KernelConfig& config, Stream) {
    launched = config.tiling.family;
  };
  for (int i = 0; i < 3; ++i) {
    first.forward(some_args());
    REQUIRE(launched == Family::kSm80);
    second.forward(some_args());
    REQUIRE(launched == Family::kSimt);
  }
}

TEST_CASE("concurrent first calls compile once") {
  Fixture f;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { f.runtime.forward(some_args()); });
  for (std::thread& thread : threads) thread.join();
  REQUIRE(f.device->compiles == 1);
  REQUIRE(f.device->launches == 8);
}

TEST_CASE("an empty output launches nothing") {
  Fixture f;
  f.runtime.forward(some_args(0));
  AttentionArgs args = some_args();
  for (TensorView* tensor : {&args.q, &args.k, &args.v, &args.o}) tensor->shape[0] = 0;
  f.runtime.forward(args);
  REQUIRE(f.device->launches == 0);
  REQUIRE(f.device->compiles == 0);
  args = some_args();
  args.k.shape[1] = args.v.shape[1] = 0;  // zeros are to be written
  f.runtime.forward(args);
  REQUIRE(f.device->launches == 1);
}

TEST_CASE("a bad call reaches neither compiler nor device") {
  Fixture f;
  AttentionArgs args = some_args();
  args.v.data = nullptr;
  REQUIRE(code_of([&] { f.runtime.forward(args); }) == ErrorCode::kInvalidArgument);
  REQUIRE(f.device->compiles == 0);
  REQUIRE(f.device->launches == 0);
}

TEST_CASE("a capturing stream takes loaded variants and refuses others") {
  Fixture f;
  f.device->capturing = true;
  std::string variant;
  try {
    f.runtime.forward(some_args());
  } catch (const Error& error) {
    REQUIRE(error.code() == ErrorCode::kCapturing);
    variant = error.variant();
  }
  REQUIRE(variant == f.runtime.prepare(some_args()).name);
  REQUIRE(f.device->launches == 0);
  f.runtime.forward(some_args());
  REQUIRE(f.device->launches == 1);
}

TEST_CASE("a failed compile is told and tried again") {
  Fixture f;
  f.device->on_compile = [] { throw Error(ErrorCode::kCompileFailed, "no"); };
  REQUIRE(code_of([&] { f.runtime.forward(some_args()); }) == ErrorCode::kCompileFailed);
  f.device->on_compile = [] {};
  REQUIRE_NOTHROW(f.runtime.forward(some_args()));
  REQUIRE(f.device->launches == 1);
}

TEST_CASE("prepare tells what forward will use, without pointers") {
  Fixture f;
  AttentionArgs args = some_args();
  args.q.data = args.k.data = args.v.data = args.o.data = nullptr;
  const VariantInfo info = f.runtime.prepare(args);
  REQUIRE_THAT(info.name, ContainsSubstring("fwd_sm80_bf16_d64"));
  REQUIRE(info.selected_by == "heuristic");
  REQUIRE(info.origin == VariantOrigin::kCompiled);
  REQUIRE(f.device->launches == 0);
  f.runtime.forward(some_args());
  REQUIRE(f.device->compiles == 1);
  REQUIRE(f.runtime.loaded_variants().at(0).name == info.name);
  REQUIRE(f.runtime.loaded_variants().at(0).selected_by == "heuristic");
  REQUIRE(f.runtime.workspace_bytes(args) == 0);
}

TEST_CASE("offline, a variant in no cache is an error that names it") {
  Fixture f;
  Options options = f.options();
  options.offline = true;
  Runtime offline(options);
  try {
    offline.forward(some_args());
    FAIL("accepted");
  } catch (const Error& error) {
    REQUIRE(error.code() == ErrorCode::kOffline);
    REQUIRE_THAT(error.what(), ContainsSubstring("fwd_sm80_bf16_d64"));
  }
  f.runtime.forward(some_args());  // publishes to the cache
  REQUIRE_NOTHROW(offline.forward(some_args()));
  REQUIRE(f.device->compiles == 1);
}

TEST_CASE("without a driver kAuto computes on the CPU and says so once") {
  ScopedEnvironment environment;
  environment.set("FLASHJIT_LIBCUDA", "/nonexistent/libcuda.so");
  CapturedLog log;
  Options options;
  options.logger = log.logger;
  Runtime runtime(options);
  REQUIRE(runtime.backend() == Backend::kCpu);
  const std::string logged = log.text.str();
  REQUIRE_THAT(logged, ContainsSubstring("[warning]") && ContainsSubstring("CPU"));
  REQUIRE(logged.find("[warning]") == logged.rfind("[warning]"));
  HostDevice device([&](const AttentionArgs& args) { runtime.forward(args); });
  for (const AttentionCase& c : attention_cases(Level::kSmoke)) {
    const Verdict verdict = check_attention(device, c, fresh_seed());
    INFO(verdict.message);
    REQUIRE(verdict.ok);
  }
  REQUIRE(log.text.str() == logged);
  REQUIRE_THAT(runtime.prepare(some_args()).name, ContainsSubstring("fwd_cpu_"));
  REQUIRE(runtime.workspace_bytes(some_args()) == 0);
  REQUIRE(runtime.loaded_variants().empty());

  options.backend = Backend::kCuda;
  REQUIRE(code_of([&] { Runtime forced(options); }) == ErrorCode::kNoDriver);
}

TEST_CASE("a Runtime moves") {
  Fixture f;
  Runtime moved = std::move(f.runtime);
  REQUIRE_NOTHROW(moved.forward(some_args()));
  f.runtime = std::move(moved);
  f.runtime.forward(some_args());
  REQUIRE(f.device->launches == 2);
}

TEST_CASE("the version is a version") { REQUIRE_THAT(version(), ContainsSubstring(".")); }

}  // namespace flashjit::test
