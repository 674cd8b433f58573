// What the registry does without a compiler, or offline: it takes what will do, and says what is
// missing.
#include "runtime/fake_executor.h"

using namespace flashjit;
namespace fs = std::filesystem;

TEST_CASE("offline a miss names the variant and the command, and nothing is compiled") {
  Scratch scratch;
  FakeExecutor executor;
  scratch.registry(executor).get(config_of(64));
  executor.no_compiler = true;  // offline must not even look for it
  scratch.settings.offline = true;
  KernelRegistry registry = scratch.registry(executor);
  CHECK(code_of(registry, config_of(64)) == ErrorCode::kOk);
  try {
    registry.get(config_of(128));
    FAIL("found it");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kOffline);
    CHECK(error.variant() == "fwd_simt_bf16_d128_m64n64");
    CHECK_THAT(error.what(),
               ContainsSubstring("flashjit build fwd_simt_bf16_d128_m64n64 --arch sm_80"));
  }
  CHECK(executor.compiles == 1);
}

TEST_CASE("without a compiler the cache still serves what it has") {
  const Scratch scratch;
  FakeExecutor executor;
  scratch.registry(executor).get(config_of(64));
  executor.no_compiler = true;
  KernelRegistry registry = scratch.registry(executor);
  CHECK(code_of(registry, config_of(64)) == ErrorCode::kOk);
  CHECK(code_of(registry, config_of(128)) == ErrorCode::kNoCompiler);
}

TEST_CASE("offline, a cubin of an older GPU of the same major will do") {
  Scratch scratch;
  FakeExecutor executor;
  executor.build = "nvrtc 13.0.1";
  executor.info.driver_version = 13000;
  const std::string made = scratch.registry(executor).get(config_of(64)).info.cache_key;
  scratch.settings.offline = true;
  const auto find_on = [&](int major, int minor) {
    KernelConfig config = config_of(64);
    config.arch = executor.info.arch = {major, minor, false};
    KernelRegistry registry = scratch.registry(executor);
    return code_of(registry, config) == ErrorCode::kOk ? registry.get(config).info.cache_key
                                                       : std::string("not found");
  };
  CHECK(find_on(8, 0) == made);
  CHECK(find_on(8, 6) == made);
  CHECK(find_on(8, 9) == made);
  CHECK(find_on(8, 7) == "not found");  // Tegra
  CHECK(find_on(7, 5) == "not found");
  CHECK(find_on(9, 0) == "not found");
  // One of its own comes first.
  scratch.settings.offline = false;
  KernelConfig own = config_of(64);
  own.arch = {8, 6, false};
  const std::string own_key = scratch.registry(executor).get(own).info.cache_key;
  scratch.settings.offline = true;
  CHECK(find_on(8, 6) == own_key);
  CHECK(find_on(8, 0) == made);
  CHECK(executor.compiles == 2);
}

TEST_CASE("offline, an entry too new for the driver says so, and an older one is used instead") {
  Scratch scratch;
  FakeExecutor executor;
  executor.build = "nvrtc 13.0.1";
  scratch.registry(executor).get(config_of(64));
  executor.info.driver_version = 12080;
  scratch.settings.offline = true;
  KernelRegistry refused = scratch.registry(executor);
  try {
    refused.get(config_of(64));
    FAIL("found it");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kNotSupported);
    CHECK(error.variant() == "fwd_simt_bf16_d64_m64n64");
    CHECK_THAT(error.what(),
               ContainsSubstring("fwd_simt_bf16_d64_m64n64") && ContainsSubstring("CUDA 13.0") &&
                   ContainsSubstring("CUDA 12.8") && ContainsSubstring("NVRTC 12"));
  }
  CHECK(executor.loads == 1);  // the driver was not even asked

  scratch.settings.offline = false;
  executor.build = "nvrtc 12.8.61";
  scratch.registry(executor).get(config_of(64));
  scratch.settings.offline = true;
  KernelRegistry served = scratch.registry(executor);
  CHECK(code_of(served, config_of(64)) == ErrorCode::kOk);
}
