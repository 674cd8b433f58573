// Locks as the cache uses them; the races stand in cubin_cache_processes_test.cpp.
#include "runtime/file_lock.h"

#include <chrono>
#include <thread>

#include "runtime/cubin_cache.h"
#include "support/cache_samples.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/temp_dir.h"

using namespace flashjit;
using test::sample_entry;
namespace fs = std::filesystem;

TEST_CASE("a lock is exclusive per key, times out, and is free again afterwards") {
  test::TempDir dir;
  test::CapturedLog log;
  Settings settings;
  settings.cache_dir = dir / "cache";
  settings.cache_lock_timeout = std::chrono::milliseconds(40);
  CubinCache cache(settings, log.logger), other(settings, log.logger);
  auto held = cache.lock(sample_entry(1).key);
  REQUIRE(held);
  CHECK(cache.lock(sample_entry(2).key));
  CHECK_FALSE(other.lock(sample_entry(1).key));  // in real life: compile anyway
  held.reset();
  CHECK(other.lock(sample_entry(1).key));
  CHECK(fs::is_empty(dir / "cache/v1/locks"));
}

TEST_CASE("whoever waits for a lock stops waiting when the entry appears") {
  test::TempDir dir;
  test::CapturedLog log;
  Settings settings;
  settings.cache_dir = dir / "cache";
  settings.cache_lock_timeout = std::chrono::hours(1);  // the test hangs if the promise breaks
  const CacheEntry entry = sample_entry();
  CacheDirectory directory(dir / "cache", false);
  const auto held = directory.lock(entry.key.hex, std::chrono::seconds(1));
  REQUIRE(held);
  std::thread publisher([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    directory.publish(entry.key.hex, encode_entry(entry));
  });
  CubinCache waiting(settings, log.logger);
  CHECK_FALSE(waiting.lock(entry.key));
  CHECK(waiting.find(entry.key));
  publisher.join();
}
