// What the cache promises to one process. Races, kills and unusable disks stand in
// cubin_cache_processes_test.cpp and cubin_cache_disk_test.cpp.
#include "runtime/cubin_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <fstream>

#include "support/cache_samples.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/temp_dir.h"

using namespace flashjit;
using test::sample_entry;
namespace fs = std::filesystem;

namespace {

Settings settings_for(const fs::path& dir) {
  Settings settings;
  settings.cache_dir = dir;
  return settings;
}

fs::path entry_path(const fs::path& cache, const CacheEntry& entry) {
  return cache / "v1" / (entry.key.hex + ".fjc");
}

void set_age(const fs::path& path, int seconds) {
  const timespec time{std::time(nullptr) - seconds, 0};
  const timespec times[2] = {time, time};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

void write_bytes(const fs::path& path, std::span<const std::byte> bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
}

int mode_of(const fs::path& path) {
  struct stat status;
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return static_cast<int>(status.st_mode & 07777);
}

// Every path below with its size and its times of change: equal snapshots mean nothing was written.
std::vector<std::string> snapshot(const fs::path& root) {
  std::vector<std::string> lines;
  const auto add = [&](const fs::path& path) {
    struct stat s;
    REQUIRE(::lstat(path.c_str(), &s) == 0);
    lines.push_back(path.string() + " " + std::to_string(s.st_size) + " " +
                    std::to_string(s.st_mtim.tv_sec) + "." + std::to_string(s.st_mtim.tv_nsec) +
                    " " + std::to_string(s.st_ctim.tv_sec) + "." +
                    std::to_string(s.st_ctim.tv_nsec));
  };
  add(root);
  for (const auto& item : fs::recursive_directory_iterator(root)) add(item.path());
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace

TEST_CASE("what one cache publishes another one finds") {
  test::TempDir dir;
  test::CapturedLog log;
  const CacheEntry entry = sample_entry(1, 5000);
  CubinCache first(settings_for(dir / "cache"), log.logger);
  CHECK_FALSE(first.find(entry.key));
  CHECK_FALSE(fs::exists(dir / "cache"));  // looking creates nothing
  first.publish(entry);

  CubinCache second(settings_for(dir / "cache"), log.logger);
  const auto hit = second.find(entry.key);
  REQUIRE(hit);
  CHECK(hit->origin == VariantOrigin::kDiskCache);
  CHECK(hit->entry.binary.code == entry.binary.code);
  CHECK_FALSE(second.find(sample_entry(2).key));
  CHECK(second.corrupt_entries() == 0);
  CHECK(log.text.str().empty());
}

TEST_CASE("directories are 0700 and files 0600 whatever the umask") {
  test::TempDir dir;
  test::CapturedLog log;
  const mode_t mask = GENERATE(0000, 0077, 0777);
  const mode_t before = ::umask(mask);
  const CacheEntry entry = sample_entry();
  CubinCache cache(settings_for(dir / "cache"), log.logger);
  cache.publish(entry);
  const auto lock = cache.lock(entry.key);
  ::umask(before);
  CHECK(lock);
  CHECK(mode_of(dir / "cache") == 0700);
  CHECK(mode_of(dir / "cache/v1") == 0700);
  CHECK(mode_of(dir / "cache/v1/locks") == 0700);
  CHECK(mode_of(entry_path(dir / "cache", entry)) == 0600);
}

TEST_CASE("a group-shared cache is group-writable, and only on request") {
  test::TempDir dir;
  test::CapturedLog log;
  const CacheEntry entry = sample_entry();
  Settings settings = settings_for(dir / "cache");
  settings.cache_group_shared = true;
  CubinCache shared(settings, log.logger);
  shared.publish(entry);
  CHECK(mode_of(dir / "cache") == 02770);
  CHECK(mode_of(entry_path(dir / "cache", entry)) == 0660);
  CHECK(shared.find(entry.key));
  CHECK(log.lines() == 0);

  CubinCache strict(settings_for(dir / "cache"), log.logger);
  CHECK_FALSE(strict.find(entry.key));
  CHECK(log.lines() == 1);
}

TEST_CASE("a damaged entry is a miss, counted, and replaced by the next publish") {
  test::TempDir dir;
  test::CapturedLog log;
  const CacheEntry entry = sample_entry();
  CubinCache cache(settings_for(dir / "cache"), log.logger);
  cache.publish(entry);
  const fs::path file = entry_path(dir / "cache", entry);
  std::vector<std::byte> bytes = encode_entry(entry);
  SECTION("one flipped bit") {
    bytes[bytes.size() / 2] ^= std::byte{1};
    write_bytes(file, bytes);
  }
  SECTION("truncated") { fs::resize_file(file, bytes.size() - 1); }
  SECTION("empty") { fs::resize_file(file, 0); }
  SECTION("another entry under this name") { write_bytes(file, encode_entry(sample_entry(2))); }
  SECTION("a FIFO") {
    fs::remove(file);
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  }
  SECTION("a symbolic link to a good entry") {
    write_bytes(dir / "elsewhere.fjc", bytes);
    fs::remove(file);
    fs::create_symlink(dir / "elsewhere.fjc", file);
  }
  CHECK_FALSE(cache.find(entry.key));
  CHECK(cache.corrupt_entries() == 1);
  CHECK(log.lines() == 1);
  CHECK_THAT(log.text.str(), ContainsSubstring(file.string()));
  cache.publish(entry);
  const auto hit = cache.find(entry.key);
  REQUIRE(hit);
  CHECK(hit->entry.binary.code == entry.binary.code);
  CHECK(fs::is_regular_file(fs::symlink_status(file)));
}

TEST_CASE("every flipped byte of an entry on disk is a miss that a publish repairs") {
  test::TempDir dir;
  test::CapturedLog log;
  log.logger->set_level(spdlog::level::off);
  const CacheEntry entry = sample_entry();
  CubinCache cache(settings_for(dir / "cache"), log.logger);
  cache.publish(entry);
  const fs::path file = entry_path(dir / "cache", entry);
  const std::vector<std::byte> good = encode_entry(entry);
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  for (std::size_t i = 0; i < good.size(); ++i) {
    const auto put = [&](std::byte byte) {
      stream.seekp(static_cast<long>(i)).put(static_cast<char>(byte)).flush();
    };
    put(good[i] ^ std::byte{0x10});
    if (cache.find(entry.key)) FAIL("byte " << i << " of the file");
    put(good[i]);
  }
  CHECK(cache.corrupt_entries() == good.size());
  CHECK(cache.find(entry.key));
}

TEST_CASE("the least recently used entries leave when the bound is reached") {
  test::TempDir dir;
  test::CapturedLog log;
  const std::size_t entry_bytes = encode_entry(sample_entry(1, 4000)).size();
  Settings settings = settings_for(dir / "cache");
  settings.cache_max_bytes = 3 * entry_bytes;
  CubinCache cache(settings, log.logger);
  for (int i = 1; i <= 3; ++i) {
    cache.publish(sample_entry(i, 4000));
    set_age(entry_path(dir / "cache", sample_entry(i, 4000)), 1000 - i);
  }
  CHECK(cache.find(sample_entry(1, 4000).key));  // the oldest becomes the youngest
  cache.publish(sample_entry(4, 4000));
  CHECK(cache.find(sample_entry(1, 4000).key));
  CHECK_FALSE(cache.find(sample_entry(2, 4000).key));
  CHECK(cache.find(sample_entry(3, 4000).key));
  CHECK(cache.find(sample_entry(4, 4000).key));

  cache.publish(sample_entry(5, 4 * entry_bytes));  // larger than everything: not stored
  CHECK_FALSE(cache.find(sample_entry(5, 4 * entry_bytes).key));
  CHECK(cache.find(sample_entry(4, 4000).key));
}

TEST_CASE("stale temporary and lock files are swept, fresh ones and strangers are not") {
  test::TempDir dir;
  test::CapturedLog log;
  CubinCache cache(settings_for(dir / "cache"), log.logger);
  cache.publish(sample_entry(1));
  fs::create_directory(dir / "cache/v1/locks");
  for (const char* name : {".old.fjc.1.tmp", ".new.fjc.1.tmp", "old_note.txt", "locks/dead"}) {
    std::ofstream(dir / "cache/v1" / name) << "x";
  }
  for (const char* name : {".old.fjc.1.tmp", "old_note.txt", "locks/dead"}) {
    set_age(dir / "cache/v1" / name, 2 * 3600);
  }
  cache.publish(sample_entry(2));
  CHECK_FALSE(fs::exists(dir / "cache/v1/.old.fjc.1.tmp"));
  CHECK_FALSE(fs::exists(dir / "cache/v1/locks/dead"));
  CHECK(fs::exists(dir / "cache/v1/.new.fjc.1.tmp"));
  CHECK(fs::exists(dir / "cache/v1/old_note.txt"));
}

TEST_CASE("a bundle hit touches nothing, and bundles come before the directory") {
  test::TempDir dir;
  test::CapturedLog log;
  const CacheEntry entry = sample_entry();
  CacheEntry other_code = entry;
  other_code.binary.code.assign(8, std::byte{9});
  write_bytes(dir / "bundle/entries" / (entry.key.hex + ".fjc"), encode_entry(entry));
  CubinCache(settings_for(dir / "cache"), log.logger).publish(other_code);
  set_age(entry_path(dir / "cache", entry), 500);

  Settings settings = settings_for(dir / "cache");
  settings.bundles = {dir / "no such bundle", dir / "bundle"};
  CubinCache cache(settings, log.logger);
  const auto before = snapshot(dir.path());
  const auto hit = cache.find(entry.key);
  REQUIRE(hit);
  CHECK(hit->origin == VariantOrigin::kBundle);
  CHECK(hit->entry.binary.code == entry.binary.code);
  CHECK(snapshot(dir.path()) == before);
}

TEST_CASE("a damaged bundle entry falls through to the next layer") {
  test::TempDir dir;
  test::CapturedLog log;
  const CacheEntry entry = sample_entry();
  std::vector<std::byte> bytes = encode_entry(entry);
  bytes.back() ^= std::byte{1};
  write_bytes(dir / "bundle/entries" / (entry.key.hex + ".fjc"), bytes);
  Settings settings = settings_for(dir / "cache");
  settings.bundles = {dir / "bundle"};
  CubinCache cache(settings, log.logger);
  cache.publish(entry);
  const auto hit = cache.find(entry.key);
  REQUIRE(hit);
  CHECK(hit->origin == VariantOrigin::kDiskCache);
  CHECK(cache.corrupt_entries() == 1);
}

TEST_CASE("offline the directory is read and never written") {
  test::TempDir dir;
  test::CapturedLog log;
  const CacheEntry entry = sample_entry(1);
  CubinCache(settings_for(dir / "cache"), log.logger).publish(entry);
  set_age(entry_path(dir / "cache", entry), 500);
  Settings settings = settings_for(dir / "cache");
  settings.offline = true;
  CubinCache cache(settings, log.logger);
  const auto before = snapshot(dir.path());
  CHECK(cache.find(entry.key));
  cache.publish(sample_entry(2));
  CHECK_FALSE(cache.lock(entry.key));
  CHECK(snapshot(dir.path()) == before);
}

TEST_CASE("without a directory the cache is a miss and silent") {
  test::CapturedLog log;
  CubinCache cache(Settings{}, log.logger);
  cache.publish(sample_entry());
  CHECK_FALSE(cache.find(sample_entry().key));
  CHECK_FALSE(cache.lock(sample_entry().key));
  CHECK_FALSE(cache.directory());
  CHECK(log.lines() == 0);
}
