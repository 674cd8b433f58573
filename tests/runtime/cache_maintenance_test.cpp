#include "runtime/cache_maintenance.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>
#include <fstream>

#include "support/cache_samples.h"
#include "support/catch.h"
#include "support/temp_dir.h"

using namespace flashjit;
using test::sample_entry;
namespace fs = std::filesystem;

namespace {

struct Filled {
  test::TempDir dir;
  Settings settings;
  std::size_t entry_bytes = encode_entry(sample_entry(1, 1000)).size();

  // Entries 1 to 3, the higher the older, and one file that is no entry.
  Filled() {
    settings.cache_dir = dir / "cache";
    const CacheDirectory cache = open_cache(settings);
    for (int number = 1; number <= 3; ++number) {
      const CacheEntry entry = sample_entry(number, 1000);
      cache.publish(entry.key.hex, encode_entry(entry));
      const timespec time{std::time(nullptr) - 100 * number, 0};
      const timespec times[2] = {time, time};
      ::utimensat(AT_FDCWD, path(entry.key.hex).c_str(), times, 0);
    }
    std::ofstream(path(std::string(64, 'f'))) << "no entry";
  }
  fs::path path(const std::string& hex) const { return dir / "cache/v1" / (hex + ".fjc"); }
};

}  // namespace

TEST_CASE("list shows every entry, the last used first, and says what is bad") {
  const Filled cache;
  const auto rows = list_cache(cache.settings);
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].key == std::string(64, 'f'));
  CHECK_THAT(rows[0].why_bad, ContainsSubstring("truncated"));
  for (int number = 1; number <= 3; ++number) {
    const CacheListing& row = rows[static_cast<std::size_t>(number)];
    const CacheEntry entry = sample_entry(number, 1000);
    CHECK(row.why_bad.empty());
    CHECK(row.key == entry.key.hex);
    CHECK(row.variant == entry.variant);
    CHECK(row.arch == "sm_90a");
    CHECK(row.bytes == encode_entry(entry).size());
  }
  CHECK(verify_cache(cache.settings).size() == 1);
  CHECK(read_cache(cache.settings).size() == 3);
}

TEST_CASE("the summary adds up") {
  const Filled cache;
  const CacheSummary summary = summarize_cache(cache.settings);
  CHECK(summary.directory == cache.dir / "cache");
  CHECK(summary.entries == 3);
  CHECK(summary.bad_entries == 1);
  CHECK(summary.bytes == 3 * cache.entry_bytes + 8);
  CHECK(summary.compile_ms == 3 * 123.5);
  CHECK(summary.max_bytes == cache.settings.cache_max_bytes);
}

TEST_CASE("gc removes what is bad and what is over the bound, oldest first") {
  Filled cache;
  CacheCleaning cleaning = collect_cache(cache.settings);
  CHECK(cleaning.bad_entries == 1);
  CHECK(cleaning.entries == 0);
  CHECK(cleaning.bytes == 8);
  cache.settings.cache_max_bytes = 2 * cache.entry_bytes;
  cleaning = collect_cache(cache.settings);
  CHECK(cleaning.entries == 1);
  CHECK(cleaning.bytes == cache.entry_bytes);
  CHECK(cleaning.remaining_bytes == 2 * cache.entry_bytes);
  CHECK_FALSE(fs::exists(cache.path(sample_entry(3, 1000).key.hex)));
}

TEST_CASE("clear removes all entries and nothing that is not ours") {
  const Filled cache;
  std::ofstream(cache.dir / "cache/v1/note.txt") << "mine";
  const CacheCleaning cleaning = clear_cache(cache.settings);
  CHECK(cleaning.entries == 4);
  CHECK(cleaning.bytes == 3 * cache.entry_bytes + 8);
  CHECK(list_cache(cache.settings).empty());
  CHECK(fs::exists(cache.dir / "cache/v1/note.txt"));
}

TEST_CASE("a cache that does not exist is empty; no cache at all is an error") {
  test::TempDir dir;
  Settings settings;
  CHECK_THROWS_WITH(list_cache(settings), ContainsSubstring("FLASHJIT_CACHE_DIR"));
  settings.cache_dir = dir / "none";
  CHECK(list_cache(settings).empty());
  CHECK(summarize_cache(settings).entries == 0);
  CHECK(collect_cache(settings).entries == 0);
  CHECK(clear_cache(settings).entries == 0);
  CHECK_FALSE(fs::exists(dir / "none"));
  std::ofstream(dir / "file") << "x";
  settings.cache_dir = dir / "file";
  CHECK_THROWS_AS(list_cache(settings), Error);
}
