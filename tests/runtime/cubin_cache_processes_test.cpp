// Many processes at one cache directory, and processes that die in the middle.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "runtime/cubin_cache.h"
#include "support/cache_samples.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/child_process.h"
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

// The cold path of the registry with a compiler that leaves one byte in `compiles` for each run.
int cold_path(const Settings& settings, const CacheEntry& entry, const fs::path& compiles) {
  test::CapturedLog log;
  CubinCache cache(settings, log.logger);
  if (cache.find(entry.key)) return 0;
  const auto lock = cache.lock(entry.key);
  if (const auto hit = cache.find(entry.key)) {
    return hit->entry.binary.code == entry.binary.code ? 0 : 1;
  }
  const UniqueFd counter(::open(compiles.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
  if (::write(counter.get(), "c", 1) != 1) return 2;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  cache.publish(entry);
  return log.lines() == 0 && cache.corrupt_entries() == 0 ? 0 : 3;
}

}  // namespace

TEST_CASE("64 processes, an empty cache, one key: one compiles, all succeed") {
  test::TempDir dir;
  const CacheEntry entry = sample_entry(1, 100'000);
  const Settings settings = settings_for(dir / "cache");
  const auto statuses = run_together([&] { return cold_path(settings, entry, dir / "compiles"); });
  CHECK(statuses == std::vector<int>(kProcesses, 0));
  CHECK(fs::file_size(dir / "compiles") == 1);
  CHECK(fs::is_empty(dir / "cache/v1/locks"));
}

TEST_CASE("64 processes without locks: all succeed") {
  test::TempDir dir;
  const CacheEntry entry = sample_entry(1, 100'000);
  Settings settings = settings_for(dir / "cache");
  settings.cache_lock_timeout = std::chrono::milliseconds(0);
  const auto statuses = run_together([&] { return cold_path(settings, entry, dir / "compiles"); });
  CHECK(statuses == std::vector<int>(kProcesses, 0));
  test::CapturedLog log;
  CHECK(CubinCache(settings, log.logger).find(entry.key));
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
TEST_CASE("kill -9 at 1,000 random moments of publishing never leaves a bad entry") {
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
  CubinCache cache(settings, log.logger);
  cache.publish(entry);
  CHECK(cache.find(entry.key));
}
