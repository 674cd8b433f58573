#include "runtime/bundle.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "runtime/cubin_cache.h"
#include "runtime/sha256.h"
#include "support/cache_samples.h"
#include "support/captured_log.h"
#include "support/catch.h"
#include "support/temp_dir.h"

using namespace flashjit;
using test::sample_entry;
namespace fs = std::filesystem;

namespace {

std::string read_text(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::map<std::string, std::string> files_of(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& item : fs::recursive_directory_iterator(directory)) {
    if (item.is_regular_file()) {
      files[item.path().lexically_relative(directory).string()] = read_text(item.path());
    }
  }
  return files;
}

BundleContents contents(std::vector<int> numbers) {
  BundleContents result;
  for (const int number : numbers) result.entries.push_back(sample_entry(number, 500));
  result.tuning["h100.json"] = "{}";
  result.provenance = "a test";
  return result;
}

fs::path entry_file(const fs::path& bundle, int number) {
  return bundle / "entries" / (sample_entry(number, 500).key.hex + ".fjc");
}

void flip_byte(const fs::path& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(40);
  const char byte = static_cast<char>(file.get());
  file.seekp(40);
  file.put(static_cast<char>(byte ^ 1));
}

}  // namespace

TEST_CASE("an export holds what it was given and verifies") {
  test::TempDir dir;
  const BundleManifest manifest = export_bundle(dir / "b", contents({2, 1, 2}));
  CHECK(manifest.entries.size() == 2);
  CHECK(manifest.archs == std::vector<std::string>{"sm_90a"});
  CHECK(manifest.compilers == std::vector<std::string>{"nvrtc 13.0.48"});
  CHECK(manifest.minimum_driver == 13000);
  CHECK(manifest.provenance == "a test");
  CHECK(manifest == read_manifest(dir / "b"));
  CHECK(verify_bundle(dir / "b").empty());
  CHECK(files_of(dir / "b").size() == 4);
  CHECK(bundle_digest(dir / "b") == sha256_hex(read_text(dir / "b/manifest.json")));
  // Nothing else was left beside it.
  CHECK(std::distance(fs::directory_iterator(dir.path()), {}) == 1);
}

TEST_CASE("two exports of one set are identical, whatever the order and the place") {
  test::TempDir dir;
  export_bundle(dir / "a", contents({1, 2, 3}));
  fs::create_directory(dir / "empty");
  export_bundle(dir / "empty/", contents({3, 1, 2}));
  CHECK(files_of(dir / "a") == files_of(dir / "empty"));
  BundleContents slower = contents({1, 2, 3});
  for (CacheEntry& entry : slower.entries) {
    entry.binary.compile_ms *= 2;
    entry.binary.log = "ptxas info    : Compile time = 559.638 ms\n" + entry.binary.log;
  }
  export_bundle(dir / "slower", slower);
  CHECK(files_of(dir / "a") == files_of(dir / "slower"));
  slower.entries[0].binary.log += "warning";
  export_bundle(dir / "warned", slower);
  CHECK(files_of(dir / "a") != files_of(dir / "warned"));
  export_bundle(dir / "c", contents({1, 2}));
  CHECK(bundle_digest(dir / "a") != bundle_digest(dir / "c"));
}

TEST_CASE("an export never overwrites and leaves nothing half-written") {
  test::TempDir dir;
  fs::create_directory(dir / "used");
  std::ofstream(dir / "used/note") << "mine";
  std::ofstream(dir / "file") << "mine";
  CHECK_THROWS_WITH(export_bundle(dir / "used", contents({1})), ContainsSubstring("exists"));
  CHECK_THROWS_WITH(export_bundle(dir / "file", contents({1})), ContainsSubstring("exists"));
  CHECK_THROWS_AS(export_bundle("/proc/bundle", contents({1})), Error);
  BundleContents wrong = contents({1});
  wrong.tuning["../escape.json"] = "{}";
  CHECK_THROWS_WITH(export_bundle(dir / "b", wrong), ContainsSubstring("tuning/<name>.json"));
  CHECK(files_of(dir.path()).size() == 2);
  CHECK(std::distance(fs::directory_iterator(dir.path()), {}) == 2);
}

TEST_CASE("verify finds every kind of damage and names the file") {
  test::TempDir dir;
  const fs::path bundle = dir / "b";
  export_bundle(bundle, contents({1, 2}));
  const fs::path file = entry_file(bundle, 1);
  std::string expected;
  SECTION("one changed byte") {
    flip_byte(file);
    expected = "SHA-256";
  }
  SECTION("truncated") {
    fs::resize_file(file, fs::file_size(file) - 1);
    expected = "bytes, the manifest says";
  }
  SECTION("missing") {
    fs::remove(file);
    expected = "cannot open";
  }
  SECTION("replaced by another good entry, manifest corrected") {
    BundleManifest manifest = read_manifest(bundle);
    fs::copy_file(entry_file(bundle, 2), file, fs::copy_options::overwrite_existing);
    const std::string name = "entries/" + file.filename().string();
    for (BundleEntry& row : manifest.entries) {
      if (row.file.path != name) continue;
      row.file.sha256 = sha256_hex(read_text(file));
      row.file.bytes = fs::file_size(file);
    }
    std::ofstream(bundle / "manifest.json") << to_json(manifest);
    expected = "another entry";
  }
  const std::vector<std::string> findings = verify_bundle(bundle);
  REQUIRE(findings.size() == 1);
  CHECK_THAT(findings[0], ContainsSubstring(file.filename().string()));
  CHECK_THAT(findings[0], ContainsSubstring(expected));

  CacheDirectory cache(dir / "cache", false);
  CHECK_THROWS_WITH(import_bundle(bundle, cache, dir / "tuning"), ContainsSubstring(expected));
  CHECK_FALSE(fs::exists(dir / "cache"));
  CHECK_FALSE(fs::exists(dir / "tuning"));
}

TEST_CASE("verify finds files that nobody listed") {
  test::TempDir dir;
  export_bundle(dir / "b", contents({1}));
  std::ofstream(dir / "b/entries/extra.fjc") << "x";
  const auto findings = verify_bundle(dir / "b");
  REQUIRE(findings.size() == 1);
  CHECK_THAT(findings[0], ContainsSubstring("entries/extra.fjc: not in the manifest"));
}

TEST_CASE("import fills the cache; a second import adds nothing; what is bad is replaced") {
  test::TempDir dir;
  export_bundle(dir / "b", contents({1, 2}));
  const CacheDirectory cache(dir / "cache", false);
  BundleImport result = import_bundle(dir / "b", cache, dir / "tuning");
  CHECK(result.added == 3);
  CHECK(result.already_there == 0);
  CHECK(read_text(dir / "tuning/h100.json") == "{}");
  flip_byte(dir / "cache/v1" / entry_file("", 2).filename());
  result = import_bundle(dir / "b", cache, dir / "tuning");
  CHECK(result.already_there == 1);

  test::CapturedLog log;
  Settings settings;
  settings.cache_dir = dir / "cache";
  CubinCache reader(settings, log.logger);
  for (const int number : {1, 2}) {
    const CacheEntry entry = sample_entry(number, 500);
    const auto hit = reader.find(entry.key);
    REQUIRE(hit);
    CHECK(hit->entry.binary.code == entry.binary.code);
  }
}

TEST_CASE("diff names what was added, removed and changed") {
  test::TempDir dir;
  BundleContents changed = contents({2, 3});
  changed.tuning["h100.json"] = "{\"new\": 1}";
  const BundleDiff diff =
      diff_bundles(export_bundle(dir / "a", contents({1, 2})), export_bundle(dir / "b", changed));
  const auto path = [](int number) {
    return "entries/" + entry_file("", number).filename().string();
  };
  CHECK(diff.added == std::vector<std::string>{path(3)});
  CHECK(diff.removed == std::vector<std::string>{path(1)});
  CHECK(diff.changed == std::vector<std::string>{"tuning/h100.json"});
}

TEST_CASE("a bundle is used from anywhere, and a pinned one only unchanged") {
  test::TempDir dir;
  test::CapturedLog log;
  export_bundle(dir / "a", contents({1, 2}));
  const std::string digest = bundle_digest(dir / "a");
  fs::rename(dir / "a", dir / "moved");
  Settings settings;
  settings.bundles = {dir / "moved"};
  settings.bundle_digest = digest;
  const CacheEntry one = sample_entry(1, 500), two = sample_entry(2, 500);
  CHECK(CubinCache(settings, log.logger).find(one.key));

  SECTION("another manifest is an error that names both digests") {
    settings.bundle_digest[0] = settings.bundle_digest[0] == '0' ? '1' : '0';
    CHECK_THROWS_WITH(CubinCache(settings, log.logger),
                      ContainsSubstring(digest) && ContainsSubstring(settings.bundle_digest));
  }
  SECTION("a valid entry that is not the pinned one is refused") {
    CacheEntry forged = two;
    forged.binary.code[0] ^= std::byte{1};
    const std::vector<std::byte> bytes = encode_entry(forged);
    std::ofstream(entry_file(dir / "moved", 2), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
    CubinCache pinned(settings, log.logger);
    CHECK_FALSE(pinned.find(two.key));
    CHECK(pinned.corrupt_entries() == 1);
    CHECK(pinned.find(one.key));
    settings.bundle_digest.clear();
    CHECK(CubinCache(settings, log.logger).find(two.key));  // without a pin it is a good entry
  }
  SECTION("a missing manifest is an error") {
    fs::remove(dir / "moved/manifest.json");
    CHECK_THROWS_AS(CubinCache(settings, log.logger), Error);
  }
}
