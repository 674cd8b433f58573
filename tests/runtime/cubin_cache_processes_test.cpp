// Many processes at one cache directory, and processes that die in the middle.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "runtime/cubin_cache.h"
#include "runtime/kernel_registry.h"
#include "runtime/variant_name.h"
#include "support/cache_samples.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/child_process.h"
#include "support/fake_executor.h"
#include "support/temp_dir.h"

using namespace flashjit;
using test::sample_entry;
namespace fs = std::filesystem;

namespace {

constexpr int kProcesses = 64;

Settings settings_for(const fs::path& dir) {
  Settings settings;
  settings.cache_dir = dir;
  return settings;
}

// Starts the children together: they wait until the write end of a pipe is closed.
std::vector<int> run_together(const std::function<int()>& body) {
  int gate[2];
  REQUIRE(::pipe(gate) == 0);
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(test::start_child([&] {
      ::close(gate[1]);
      char byte;
      if (::read(gate[0], &byte, 1) != 0) return 99;
      return body();
    }));
  }
  ::close(gate[0]);
  ::close(gate[1]);
  std::vector<int> statuses;
  for (const pid_t child : children) statuses.push_back(test::wait_child(child));
  return statuses;
}

const KernelConfig kConfig = *parse_variant_name("fwd_simt_bf16_d64_m64n64", {8, 0, false});

// What a program does at its start: a registry and its first variant. The compiler leaves one byte
// in `compiles` for each run.
int start_program(const Settings& settings, const fs::path& compiles) {
  const auto device = std::make_shared<test::FakeDevice>();
  device->on_compile = [&] {
    const UniqueFd counter(::open(compiles.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
    if (::write(counter.get(), "c", 1) != 1) throw Error(ErrorCode::kIo, "not counted");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  };
  test::CapturedLog log;
  const test::FakeExecutor executor(device);
  KernelRegistry registry(executor, settings, log.logger);
  const VariantInfo& info = registry.get(kConfig).info;
  const bool compiled = info.origin == VariantOrigin::kCompiled;
  if (device->loads != 1 || device->compiles != (compiled ? 1 : 0)) return 1;
  return log.lines() == 0 && registry.stats().corrupt_entries == 0 ? 0 : 2;
}

}  // namespace

TEST_CASE("64 processes, an empty cache, one key: one compiles, all succeed") {
  test::TempDir dir;
  const Settings settings = settings_for(dir / "cache");
  const auto statuses = run_together([&] { return start_program(settings, dir / "compiles"); });
  CHECK(statuses == std::vector<int>(kProcesses, 0));
  CHECK(fs::file_size(dir / "compiles") == 1);
  CHECK(fs::is_empty(dir / "cache/v1/locks"));
}

TEST_CASE("64 processes without locks: all succeed") {
  test::TempDir dir;
  Settings settings = settings_for(dir / "cache");
  settings.cache_lock_timeout = std::chrono::milliseconds(0);
  const auto statuses = run_together([&] { return start_program(settings, dir / "compiles"); });
  CHECK(statuses == std::vector<int>(kProcesses, 0));
  const auto compiles = fs::file_size(dir / "compiles");
  CHECK(compiles > 1);  // there were no locks
  CHECK_FALSE(fs::exists(dir / "cache/v1/locks"));
  CHECK(start_program(settings, dir / "compiles") == 0);
  CHECK(fs::file_size(dir / "compiles") == compiles);  // and there is an entry now
}

TEST_CASE("a lock that is never granted costs its time-out and a compile, nothing else") {
  test::TempDir dir;
  Settings settings = settings_for(dir / "cache");
  settings.cache_lock_timeout = std::chrono::milliseconds(50);
  const VariantSource source = make_variant_source(kConfig, KernelSources::embedded());
  const CacheDirectory directory(dir / "cache", false);
  const auto held = directory.lock(make_cache_key(source, "fake 1").hex, std::chrono::seconds(1));
  REQUIRE(held);
  CHECK(start_program(settings, dir / "compiles") == 0);
  CHECK(fs::file_size(dir / "compiles") == 1);
  CHECK(directory.list().size() == 1);
}

TEST_CASE("64 processes that publish and read one key never see half of an entry") {
  test::TempDir dir;
  const CacheEntry entry = sample_entry(1, 300'000);
  const auto statuses = run_together([&] {
    test::CapturedLog log;
    CubinCache cache(settings_for(dir / "cache"), log.logger);
    for (int round = 0; round < 5; ++round) {
      cache.publish(entry);
      const auto hit = cache.find(entry.key);
      if (!hit || hit->entry.binary.code != entry.binary.code) return 1;
    }
    return cache.corrupt_entries() == 0 && log.lines() == 0 ? 0 : 2;
  });
  CHECK(statuses == std::vector<int>(kProcesses, 0));
}

namespace {

// Publishes for ever and writes a byte before each time.
int publish_for_ever(const Settings& settings, const CacheEntry& entry, int announce) {
  test::CapturedLog log;
  CubinCache cache(settings, log.logger);
  while (true) {
    const auto lock = cache.lock(entry.key);
    if (::write(announce, "p", 1) != 1) return 1;
    cache.publish(entry);
  }
}

}  // namespace

// After each kill the cache must hold either nothing or a whole entry, and take a new one.
TEST_CASE("kill -9 at 1,000 random moments of publishing never leaves a bad entry", "[forks]") {
  constexpr int kKills = 1000;
  test::TempDir dir;
  test::CapturedLog log;
  const CacheEntry entry = sample_entry(1, 200'000);
  const Settings settings = settings_for(dir / "cache");
  std::mt19937 random(7);
  int found = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    int announced[2];
    REQUIRE(::pipe(announced) == 0);
    const pid_t child =
        test::start_child([&] { return publish_for_ever(settings, entry, announced[1]); });
    ::close(announced[1]);
    // In every other round only the second time counts, so that there is an entry to damage.
    char byte;
    for (int i = 0; i <= kill % 2; ++i) REQUIRE(::read(announced[0], &byte, 1) == 1);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    ::kill(child, SIGKILL);
    REQUIRE(test::wait_child(child) == 128 + SIGKILL);
    ::close(announced[0]);
    CubinCache cache(settings, log.logger);
    if (const auto hit = cache.find(entry.key)) {
      ++found;
      REQUIRE(hit->entry.binary.code == entry.binary.code);
    }
    REQUIRE(cache.corrupt_entries() == 0);
    REQUIRE(cache.lock(entry.key));  // the dead process holds none
    CacheDirectory(dir / "cache", false).remove(entry.key.hex);
  }
  CHECK(log.lines() == 0);
  CHECK(found >= kKills / 2);
  // Of those that died in the middle something is left, which no look-up minds.
  int halves = 0;
  for (const auto& file : fs::directory_iterator(dir / "cache/v1"))
    halves += is_temporary_name(file.path().filename().string());
  CHECK(halves >= 10);
  CubinCache cache(settings, log.logger);
  cache.publish(entry);
  CHECK(cache.find(entry.key));
}
