// Whatever the cache directory is, the forward runs from memory, warns once, and touches nothing
// else. What the cache itself promises stands in cubin_cache_disk_test.cpp.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "flashjit/flashjit.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/child_process.h"
#include "support/environment.h"
#include "support/fake_executor.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

AttentionArgs some_args(int head_dim) {
  alignas(256) static std::byte memory[2][64];
  AttentionArgs args;
  args.q = args.k = args.v = bshd(memory[0], Dtype::kBf16, 2, 100, 4, head_dim);
  args.o = args.q;
  args.o.data = memory[1];
  return args;
}

// Two variants, each run twice; how many warnings that costs, or a negative number when a forward
// did not run.
int warnings_of(const std::optional<fs::path>& cache) {
  const auto device = install_fake_device();
  CapturedLog log;
  Options options;
  options.backend = Backend::kEmulated;
  options.cache_dir = cache;
  options.logger = log.logger;
  Runtime runtime(options);
  for (const int head_dim : {64, 64, 128, 128}) runtime.forward(some_args(head_dim));
  if (device->launches != 4) return -1;
  if (device->compiles != 2) return -2;
  if (runtime.stats().corrupt_entries != 0) return -3;
  return log.lines();
}

// Everything below: path → mode, owner, size and times of change.
std::map<std::string, std::string> snapshot(const fs::path& root) {
  std::map<std::string, std::string> result;
  for (const auto& item : fs::recursive_directory_iterator(root)) {
    struct stat s;
    REQUIRE(::lstat(item.path().c_str(), &s) == 0);
    result[item.path()] = std::to_string(s.st_mode) + " " + std::to_string(s.st_uid) + " " +
                          std::to_string(s.st_size) + " " + std::to_string(s.st_ctim.tv_sec) + "." +
                          std::to_string(s.st_ctim.tv_nsec);
  }
  return result;
}

}  // namespace

TEST_CASE("a forward runs where the cache directory cannot be used, with one warning") {
  TempDir dir;
  fs::create_directory(dir / "cache");
  ::chmod((dir / "cache").c_str(), 0700);
  fs::path cache = dir / "cache";
  SECTION("writable by everybody") { ::chmod(cache.c_str(), 0777); }
  SECTION("a symbolic link") {
    fs::create_directory_symlink(cache, dir / "link");
    cache = dir / "link";
  }
  SECTION("a file") {
    cache = dir / "file";
    std::ofstream(cache) << "x";
  }
  SECTION("of another user") {
    if (::geteuid() != 0) return;  // only root can make one
    REQUIRE(::chown(cache.c_str(), kNobody, kNobody) == 0);
  }
  SECTION("where nothing can be made") { cache = "/proc/no/such"; }
  const auto before = snapshot(dir.path());
  CHECK(warnings_of(cache) == 1);
  CHECK(snapshot(dir.path()) == before);
}

TEST_CASE("an entry that is a symbolic link is not followed, and the forward runs") {
  TempDir dir;
  CHECK(warnings_of(dir / "cache") == 0);
  for (const auto& file : fs::directory_iterator(dir / "cache/v1")) {
    if (file.path().extension() != ".fjc") continue;
    fs::rename(file.path(), dir / file.path().filename());
    fs::create_symlink(dir / file.path().filename(), file.path());
  }
  const auto device = install_fake_device();
  CapturedLog log;
  Options options;
  options.backend = Backend::kEmulated;
  options.cache_dir = dir / "cache";
  options.logger = log.logger;
  Runtime runtime(options);
  runtime.forward(some_args(64));
  CHECK(device->compiles == 1);
  CHECK(runtime.stats().corrupt_entries == 1);
  CHECK(log.lines() == 1);
  CHECK_THAT(log.text.str(), ContainsSubstring("symbolic link"));
}

TEST_CASE("a forward runs from a read-only directory and in a directory without permission") {
  TempDir dir;
  const int status = run_child([&] {
    if (::geteuid() == 0) {  // root may write everywhere
      if (::chown(dir.path().c_str(), kNobody, kNobody) != 0) return 90;
      if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 91;
    }
    fs::create_directory(dir / "cache");
    ::chmod((dir / "cache").c_str(), 0500);
    return warnings_of(dir / "cache") == 1 && fs::is_empty(dir / "cache") ? 0 : 92;
  });
  CHECK(status == 0);
}

TEST_CASE("without HOME a forward runs from memory, with one warning") {
  ScopedEnvironment environment;
  environment.set("HOME", std::nullopt);
  environment.set("XDG_CACHE_HOME", std::nullopt);
  environment.set("FLASHJIT_CACHE_DIR", std::nullopt);
  CHECK(warnings_of(std::nullopt) == 1);
  environment.set("FLASHJIT_CACHE_DIR", "off");
  CHECK(warnings_of(std::nullopt) == 0);  // as it was asked for
}

TEST_CASE("a path with spaces and letters outside ASCII is a path like others") {
  TempDir dir;
  CHECK(warnings_of(dir / "ein Ordner/größe 注意") == 0);
  CHECK(fs::exists(dir / "ein Ordner/größe 注意/v1"));
}

TEST_CASE("a forward runs while the disk is full, with one warning and nothing half-written") {
  TempDir dir;
  fs::create_directory(dir / "disk");
  const int status = run_child([&] {
    // A mount namespace of its own: the mount ends with the child.
    if (::unshare(CLONE_NEWNS) != 0) return 77;
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    const fs::path disk = dir / "disk";
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=1m,mode=0700") != 0) return 77;
    {
      std::ofstream filler(disk / "filler");
      const std::string block(4096, 'x');
      while (filler.write(block.data(), 4096).flush()) {
      }
    }
    if (const int warnings = warnings_of(disk / "cache"); warnings != 1) return 10 + warnings;
    int files = 0;
    for (const auto& item : fs::recursive_directory_iterator(disk)) files += item.is_regular_file();
    if (files != 1) return 20;
    fs::remove(disk / "filler");
    return warnings_of(disk / "cache") == 0 ? 0 : 21;  // with room again it is as ever
  });
  if (status == 77) {
    WARN("no permission to mount: skipped");
  } else {
    CHECK(status == 0);
  }
}

}  // namespace flashjit::test
