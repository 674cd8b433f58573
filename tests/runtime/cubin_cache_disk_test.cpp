// Directories that cannot or must not be used: each costs one warning and nothing else.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

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

constexpr uid_t kNobody = 65534;

Settings settings_for(const fs::path& dir) {
  Settings settings;
  settings.cache_dir = dir;
  return settings;
}

// A program's whole contact with a cache that cannot keep anything: 0 if it got by with exactly one
// warning that names the directory.
int use_unusable(const fs::path& dir) {
  test::CapturedLog log;
  CubinCache cache(settings_for(dir), log.logger);
  for (int i = 0; i < 3; ++i) {
    const CacheEntry entry = sample_entry(i, 3 << 20);
    if (cache.find(entry.key)) return 1;
    const auto lock = cache.lock(entry.key);
    if (cache.find(entry.key)) return 2;
    cache.publish(entry);
  }
  if (log.lines() != 1) return 3;
  if (log.text.str().find(dir.string()) == std::string::npos) return 4;
  return cache.corrupt_entries() == 0 ? 0 : 5;
}

int files_below(const fs::path& dir) {
  int count = 0;
  for (const auto& item : fs::recursive_directory_iterator(dir)) count += item.is_regular_file();
  return count;
}

}  // namespace

TEST_CASE("a path that cannot become a directory costs one warning") {
  test::TempDir dir;
  std::ofstream(dir / "file") << "x";
  CHECK(use_unusable(dir / "file") == 0);
  CHECK(use_unusable(dir / "file" / "below") == 0);
  CHECK(use_unusable("/proc/flashjit") == 0);
  CHECK(fs::file_size(dir / "file") == 1);
}

TEST_CASE("a directory that others may write, or a link, is not used and not changed") {
  test::TempDir dir;
  fs::path cache = dir / "cache";
  fs::create_directories(dir / "cache/v1");
  fs::permissions(dir / "cache", fs::perms::owner_all);
  fs::permissions(dir / "cache/v1", fs::perms::owner_all);
  SECTION("writable by everybody") { ::chmod(cache.c_str(), 0777); }
  SECTION("writable by the group") { ::chmod(cache.c_str(), 0770); }
  SECTION("the inner directory writable by everybody") { ::chmod((cache / "v1").c_str(), 0777); }
  SECTION("a symbolic link") {
    fs::create_directory_symlink(cache, dir / "link");
    cache = dir / "link";
  }
  SECTION("the inner directory is a symbolic link") {
    fs::remove(cache / "v1");
    fs::create_directory(dir / "elsewhere");
    fs::create_directory_symlink(dir / "elsewhere", cache / "v1");
  }
  CHECK(use_unusable(cache) == 0);
  CHECK(files_below(dir.path()) == 0);
}

TEST_CASE("a directory of another user is not used") {
  if (::geteuid() != 0) return;  // only root can make one
  test::TempDir dir;
  fs::create_directory(dir / "cache");
  fs::permissions(dir / "cache", fs::perms::owner_all);
  REQUIRE(::chown((dir / "cache").c_str(), kNobody, kNobody) == 0);
  CHECK(use_unusable(dir / "cache") == 0);
  CHECK(files_below(dir.path()) == 0);
}

TEST_CASE("an entry of another user is not used") {
  if (::geteuid() != 0) return;
  test::TempDir dir;
  test::CapturedLog log;
  const CacheEntry entry = sample_entry();
  CubinCache cache(settings_for(dir / "cache"), log.logger);
  cache.publish(entry);
  const fs::path file = dir / "cache/v1" / (entry.key.hex + ".fjc");
  REQUIRE(::chown(file.c_str(), kNobody, kNobody) == 0);
  CHECK_FALSE(cache.find(entry.key));
  CHECK(cache.corrupt_entries() == 1);
  cache.publish(entry);
  CHECK(cache.find(entry.key));
}

TEST_CASE("a directory without write permission is still read, and costs one warning") {
  test::TempDir dir;
  const CacheEntry stored = sample_entry(100);
  const int status = test::run_child([&] {
    if (::geteuid() == 0) {  // root may write everywhere
      if (::chown(dir.path().c_str(), kNobody, kNobody) != 0) return 90;
      if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 91;
    }
    test::CapturedLog log;
    CubinCache(settings_for(dir / "cache"), log.logger).publish(stored);
    ::chmod((dir / "cache/v1").c_str(), 0500);
    ::chmod((dir / "cache").c_str(), 0500);
    if (!CubinCache(settings_for(dir / "cache"), log.logger).find(stored.key)) return 92;
    if (log.lines() != 0) return 93;
    const int result = use_unusable(dir / "cache");
    ::chmod(dir.path().c_str(), 0500);
    return result != 0 ? result : use_unusable(dir / "not there and cannot be made");
  });
  CHECK(status == 0);
  CHECK(files_below(dir.path()) == 1);
}

TEST_CASE("names with spaces and letters outside ASCII work") {
  test::TempDir dir;
  test::CapturedLog log;
  const fs::path path = dir / "ein Ordner/größe 注意";
  CubinCache cache(settings_for(path), log.logger);
  cache.publish(sample_entry());
  CHECK(cache.find(sample_entry().key));
  CHECK(log.lines() == 0);
  CHECK(fs::exists(path / "v1"));
}

TEST_CASE("a directory that disappears is made again") {
  test::TempDir dir;
  test::CapturedLog log;
  CubinCache cache(settings_for(dir / "cache"), log.logger);
  cache.publish(sample_entry());
  fs::remove_all(dir / "cache");
  CHECK_FALSE(cache.find(sample_entry().key));
  cache.publish(sample_entry());
  CHECK(cache.find(sample_entry().key));
  CHECK(log.lines() == 0);
}

TEST_CASE("a full disk: nothing is published, one warning, reading goes on") {
  test::TempDir dir;
  fs::create_directory(dir / "disk");
  const CacheEntry small = sample_entry(100, 1000);
  const auto body = [&](const fs::path& cache) {
    test::CapturedLog log;
    CubinCache(settings_for(cache), log.logger).publish(small);
    const int result = use_unusable(cache);  // entries of 3 MiB
    if (result != 0) return result;
    if (!CubinCache(settings_for(cache), log.logger).find(small.key)) return 20;
    return files_below(cache) == 1 ? 0 : 21;  // no temporary file stays behind
  };
  SECTION("a file system of 1 MiB") {
    const int status = test::run_child([&] {
      // A mount namespace of its own: the mount ends with the child.
      if (::unshare(CLONE_NEWNS) != 0) return 77;
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
      const fs::path disk = dir / "disk";
      if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=1m,mode=0700") != 0) return 77;
      return body(disk / "cache");
    });
    if (status == 77) {
      WARN("no permission to mount: skipped");
    } else {
      CHECK(status == 0);
    }
  }
  SECTION("a limit on the size of files") {
    const int status = test::run_child([&] {
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{1 << 20, 1 << 20};
      if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 90;
      return body(dir / "cache");
    });
    CHECK(status == 0);
  }
}
