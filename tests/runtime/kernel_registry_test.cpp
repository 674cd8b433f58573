#include "kernel_registry.h"

#include <fstream>
#include <latch>
#include <sstream>
#include <thread>

#include "runtime/fake_executor.h"
#include "support/paths.h"

using namespace flashjit;
namespace fs = std::filesystem;

namespace {

// Calls get() from 16 threads at once; the codes of what they got.
std::vector<ErrorCode> get_from_16_threads(KernelRegistry& registry, const KernelConfig& config) {
  std::vector<ErrorCode> codes(16);
  std::latch start(16);
  std::vector<std::thread> threads;
  for (ErrorCode& code : codes) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      code = code_of(registry, config);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return codes;
}

}  // namespace

TEST_CASE("sixteen threads that want one variant cause one compile") {
  const Scratch scratch;
  FakeExecutor executor;
  executor.compile_time = std::chrono::milliseconds(100);
  KernelRegistry registry = scratch.registry(executor);
  for (const ErrorCode code : get_from_16_threads(registry, config_of(64))) {
    CHECK(code == ErrorCode::kOk);
  }
  CHECK(executor.compiles == 1);
  CHECK(executor.loads == 1);
  CHECK(registry.stats().compiles == 1);
  CHECK(registry.loaded().size() == 1);
}

TEST_CASE("a failure reaches all who wait, and the next call tries again") {
  const Scratch scratch;
  FakeExecutor executor;
  executor.compile_time = std::chrono::milliseconds(200);
  executor.fail_compile = true;
  KernelRegistry registry = scratch.registry(executor);
  for (const ErrorCode code : get_from_16_threads(registry, config_of(64))) {
    CHECK(code == ErrorCode::kCompileFailed);
  }
  CHECK(executor.compiles < 16);
  CHECK(registry.find(config_of(64)) == nullptr);

  executor.fail_compile = false;
  CHECK(code_of(registry, config_of(64)) == ErrorCode::kOk);
  CHECK(registry.find(config_of(64)) != nullptr);
}

TEST_CASE("a second registry takes the variant from the disk, as it was made") {
  const Scratch scratch;
  const FakeExecutor executor;
  KernelRegistry first = scratch.registry(executor);
  const VariantInfo made = first.get(config_of(64)).info;
  CHECK(made.origin == VariantOrigin::kCompiled);

  KernelRegistry second = scratch.registry(executor);
  const Kernel& kernel = second.get(config_of(64));
  CHECK(executor.compiles == 1);
  CHECK(kernel.info.origin == VariantOrigin::kDiskCache);
  CHECK(kernel.info.name == "fwd_simt_bf16_d64_m64n64");
  CHECK(kernel.info.resources.registers == 77);
  CHECK(kernel.info.cache_key == made.cache_key);
  CHECK(made.warnings.size() == 1);
  CHECK(kernel.info.warnings == made.warnings);
  const auto& code = static_cast<const FakeKernel&>(*kernel.loaded).code;
  CHECK(std::string(reinterpret_cast<const char*>(code.data()), code.size()) == made.name);
  CHECK(second.stats().disk_hits == 1);
  CHECK(second.stats().compiles == 0);

  CHECK(second.find(config_of(64)) == &kernel);
  CHECK(second.stats().memory_hits == 1);
}

TEST_CASE("another compiler build or another source is another variant") {
  const Scratch scratch;
  FakeExecutor executor;
  scratch.registry(executor).get(config_of(64));
  executor.build = "fake 2";
  scratch.registry(executor).get(config_of(64));
  CHECK(executor.compiles == 2);

  const fs::path dir = scratch.path / "kernel_src";
  fs::copy(test::source_dir() / "kernel_src", dir, fs::copy_options::recursive);
  Scratch edited;
  edited.settings.cache_dir = scratch.settings.cache_dir;
  edited.settings.kernel_dir = dir;
  edited.registry(executor).get(config_of(64));
  CHECK(executor.compiles == 2);
  std::ofstream(dir / "simt" / "fwd_kernel.cuh", std::ios::app) << "// edited\n";
  edited.registry(executor).get(config_of(64));
  CHECK(executor.compiles == 3);
}

TEST_CASE("a damaged entry is compiled again and replaced") {
  const Scratch scratch;
  const FakeExecutor executor;
  scratch.registry(executor).get(config_of(64));
  const std::vector<fs::path> files = files_below(*scratch.settings.cache_dir);
  REQUIRE(files.size() == 1);
  {
    std::fstream file(files[0], std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(0, std::ios::end);
    const auto middle = static_cast<std::streamoff>(file.tellg()) / 2;
    file.seekg(middle);
    const char flipped = static_cast<char>(file.peek() ^ 1);
    file.seekp(middle);
    file.put(flipped);
  }
  KernelRegistry second = scratch.registry(executor);
  CHECK(second.get(config_of(64)).info.origin == VariantOrigin::kCompiled);
  CHECK(second.stats().corrupt_entries == 1);  // before the lock and under it, one entry
  CHECK(executor.compiles == 2);
  CHECK(scratch.registry(executor).get(config_of(64)).info.origin == VariantOrigin::kDiskCache);
}

TEST_CASE("an intact entry that the driver refuses is compiled again") {
  const Scratch scratch;
  FakeExecutor executor;
  scratch.registry(executor).get(config_of(64));
  executor.fail_loads = 1;
  KernelRegistry second = scratch.registry(executor);
  CHECK(second.get(config_of(64)).info.origin == VariantOrigin::kCompiled);
  executor.fail_loads = 2;
  KernelRegistry third = scratch.registry(executor);
  CHECK(code_of(third, config_of(64)) == ErrorCode::kDriver);
}

TEST_CASE("an entry for which there is no memory is not taken for a bad one") {
  const Scratch scratch;
  FakeExecutor executor;
  scratch.registry(executor).get(config_of(64));
  executor.fail_loads = 1;
  executor.load_error = ErrorCode::kOutOfMemory;
  KernelRegistry second = scratch.registry(executor);
  CHECK(code_of(second, config_of(64)) == ErrorCode::kOutOfMemory);
  CHECK(executor.compiles == 1);
  CHECK(second.get(config_of(64)).info.origin == VariantOrigin::kDiskCache);
}

TEST_CASE("a cubin that the driver refuses carries the reason") {
  const Scratch scratch;
  FakeExecutor executor;
  executor.build = "nvrtc 13.0.1";
  executor.info.driver_version = 12080;
  executor.fail_loads = 1;
  KernelRegistry registry = scratch.registry(executor);
  try {
    registry.get(config_of(64));
    FAIL("loaded");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kDriver);
    CHECK_THAT(error.what(),
               ContainsSubstring("refused") && ContainsSubstring("update the driver"));
  }
}

TEST_CASE("a miss is counted once, whatever becomes of it") {
  Scratch scratch;
  FakeExecutor executor;
  KernelRegistry registry = scratch.registry(executor);
  registry.get(config_of(64));
  registry.get(config_of(64));
  executor.fail_compile = true;
  code_of(registry, config_of(128));
  CHECK(registry.stats().misses == 2);
  CHECK(registry.stats().compiles == 1);
  scratch.settings.offline = true;
  KernelRegistry offline = scratch.registry(executor);
  offline.get(config_of(64));
  code_of(offline, config_of(128));
  CHECK(offline.stats().misses == 1);
  CHECK(offline.stats().disk_hits == 1);
}

TEST_CASE("every flipped byte and every truncation of an entry is found and compiled again") {
  // Thousands of entries are published: in memory, where that costs no disk its time.
  const bool has_shm = ::access("/dev/shm", W_OK) == 0;
  Scratch scratch(has_shm ? fs::path("/dev/shm") : fs::temp_directory_path());
  FakeExecutor executor;
  executor.compile_time = std::chrono::milliseconds(0);
  scratch.registry(executor).get(config_of(64));
  const fs::path file = files_below(*scratch.settings.cache_dir).at(0);
  std::ostringstream original;
  original << std::ifstream(file, std::ios::binary).rdbuf();
  const std::string good = original.str();
  REQUIRE(good.size() > 500);

  const auto recovers = [&](const std::string& damaged) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << damaged;
    const int before = executor.compiles;
    KernelRegistry registry = scratch.registry(executor);
    const VariantInfo& info = registry.get(config_of(64)).info;
    // compile_ms is the fake's constant, so the entry that is written again has the same bytes.
    std::ostringstream repaired;
    repaired << std::ifstream(file, std::ios::binary).rdbuf();
    return info.origin == VariantOrigin::kCompiled && executor.compiles == before + 1 &&
           registry.stats().corrupt_entries == 1 && repaired.str() == good;
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string damaged = good;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << i % 8));
    if (!recovers(damaged)) FAIL("byte " << i << " flipped");
    if (!recovers(good.substr(0, i))) FAIL("cut to " << i << " bytes");
  }
  CHECK(scratch.registry(executor).get(config_of(64)).info.origin == VariantOrigin::kDiskCache);
}
