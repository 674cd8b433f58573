#include "runtime/settings.h"

#include <fstream>

#include "support/catch.h"
#include "support/environment.h"
#include "support/temp_dir.h"

using namespace flashjit;
namespace fs = std::filesystem;

namespace {

// Every variable unset but HOME, whatever the environment of the test is.
test::ScopedEnvironment& clean(test::ScopedEnvironment& environment) {
  for (const SettingRow& row : describe_settings()) environment.set(row.variable, std::nullopt);
  return environment.set("HOME", "/home/someone");
}

}  // namespace

TEST_CASE("settings without variables are the documented defaults") {
  test::ScopedEnvironment environment;
  clean(environment);
  const Settings settings = read_settings();
  CHECK(settings.cache_dir == fs::path("/home/someone/.cache/flashjit"));
  CHECK(settings.cache_max_bytes == 1073741824u);
  CHECK(settings.cache_lock_timeout == std::chrono::seconds(30));
  CHECK_FALSE(settings.offline);
  CHECK_FALSE(settings.cache_group_shared);
  CHECK(settings.bundles.empty());
  CHECK(settings.log_level == "warn");
  CHECK(settings.tune == TuneMode::kRecord);
  CHECK(settings.tune_seconds == 10);
}

TEST_CASE("the cache directory: explicit, XDG, HOME, none") {
  test::ScopedEnvironment environment;
  clean(environment);
  environment.set("XDG_CACHE_HOME", "/xdg");
  CHECK(read_settings().cache_dir == fs::path("/xdg/flashjit"));
  environment.set("XDG_CACHE_HOME", "relative");  // invalid by the XDG specification: ignored
  CHECK(read_settings().cache_dir == fs::path("/home/someone/.cache/flashjit"));
  environment.set("FLASHJIT_CACHE_DIR", "/some where/größer");
  CHECK(read_settings().cache_dir == fs::path("/some where/größer"));
  environment.set("FLASHJIT_CACHE_DIR", "here");
  CHECK(read_settings().cache_dir == fs::current_path() / "here");
  CHECK_FALSE(read_settings().cache_dir_missing);
  environment.set("FLASHJIT_CACHE_DIR", "off");
  CHECK_FALSE(read_settings().cache_dir.has_value());
  CHECK_FALSE(read_settings().cache_dir_missing);  // this is what was asked for
  environment.set("FLASHJIT_CACHE_DIR", "");
  environment.set("HOME", std::nullopt);
  CHECK_FALSE(read_settings().cache_dir.has_value());
  CHECK(read_settings().cache_dir_missing);
  CHECK_FALSE(effective_settings(Options{.cache_dir = "/here"}).cache_dir_missing);
}

TEST_CASE("well-formed variables are read") {
  test::ScopedEnvironment environment;
  clean(environment)
      .set("FLASHJIT_CACHE_GROUP", "1")
      .set("FLASHJIT_CACHE_MAX_BYTES", "3M")
      .set("FLASHJIT_CACHE_LOCK_TIMEOUT", "0.25")
      .set("FLASHJIT_BUNDLES", "/a::/b c:d")
      .set("FLASHJIT_OFFLINE", "true")
      .set("FLASHJIT_TUNE", "on_first_use")
      .set("FLASHJIT_TUNE_SECONDS", "2.5")
      .set("FLASHJIT_RECORD", "/tmp/w.jsonl")
      .set("FLASHJIT_KERNEL_DIR", "/kernels")
      .set("FLASHJIT_LIBCUDA", "/lib/libcuda.so.1")
      .set("FLASHJIT_LIBNVRTC", "/lib/libnvrtc.so")
      .set("FLASHJIT_NVDISASM", "/bin/nvdisasm")
      .set("FLASHJIT_LOG", "debug")
      .set("FLASHJIT_CPU_THREADS", "7")
      .set("FLASHJIT_HOST_CXX", "g++-12");
  const Settings settings = read_settings();
  CHECK(settings.cache_group_shared);
  CHECK(settings.cache_max_bytes == 3u * 1024 * 1024);
  CHECK(settings.cache_lock_timeout == std::chrono::milliseconds(250));
  CHECK(settings.bundles == std::vector<fs::path>{"/a", "/b c", fs::current_path() / "d"});
  CHECK(settings.offline);
  CHECK(settings.tune == TuneMode::kOnFirstUse);
  CHECK(settings.tune_seconds == 2.5);
  CHECK(settings.record_file == "/tmp/w.jsonl");
  CHECK(settings.kernel_dir == "/kernels");
  CHECK(settings.libcuda == "/lib/libcuda.so.1");
  CHECK(settings.libnvrtc == "/lib/libnvrtc.so");
  CHECK(settings.nvdisasm == "/bin/nvdisasm");
  CHECK(settings.log_level == "debug");
  CHECK(settings.cpu_threads == 7);
  CHECK(settings.host_compiler == "g++-12");
}

TEST_CASE("a malformed variable is an error that names it and its value") {
  const auto [variable, value] = GENERATE(table<const char*, const char*>({
      {"FLASHJIT_CACHE_GROUP", "maybe"},
      {"FLASHJIT_OFFLINE", "2"},
      {"FLASHJIT_CACHE_MAX_BYTES", "0"},
      {"FLASHJIT_CACHE_MAX_BYTES", "M"},
      {"FLASHJIT_CACHE_MAX_BYTES", "-1"},
      {"FLASHJIT_CACHE_MAX_BYTES", "1.5G"},
      {"FLASHJIT_CACHE_MAX_BYTES", "10 M"},
      {"FLASHJIT_CACHE_MAX_BYTES", "99999999T"},
      {"FLASHJIT_CACHE_MAX_BYTES", "99999999999999999999"},
      {"FLASHJIT_CACHE_LOCK_TIMEOUT", "-1"},
      {"FLASHJIT_CACHE_LOCK_TIMEOUT", "nan"},
      {"FLASHJIT_CACHE_LOCK_TIMEOUT", "inf"},
      {"FLASHJIT_CACHE_LOCK_TIMEOUT", "10s"},
      {"FLASHJIT_TUNE", "always"},
      {"FLASHJIT_TUNE_SECONDS", "-1"},
      {"FLASHJIT_LOG", "loud"},
      {"FLASHJIT_CPU_THREADS", "-1"},
      {"FLASHJIT_CPU_THREADS", "many"},
  }));
  CAPTURE(variable, value);
  test::ScopedEnvironment environment;
  clean(environment).set(variable, value);
  try {
    read_settings();
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    CHECK_THAT(error.what(), ContainsSubstring(variable));
    CHECK_THAT(error.what(), ContainsSubstring(value));
    CHECK_THAT(error.what(), ContainsSubstring("expected"));
  }
}

TEST_CASE("options win over the environment") {
  test::ScopedEnvironment environment;
  clean(environment)
      .set("FLASHJIT_CACHE_DIR", "/env")
      .set("FLASHJIT_BUNDLES", "/env")
      .set("FLASHJIT_OFFLINE", "1")
      .set("FLASHJIT_TUNE", "off")
      .set("FLASHJIT_KERNEL_DIR", "/env");
  CHECK(effective_settings({}).cache_dir == fs::path("/env"));
  Options options;
  options.cache_dir = "/option";
  options.bundles = {"/one", "/two"};
  options.offline = false;
  options.kernel_dir = "/option";
  options.tune = TuneMode::kOnFirstUse;
  options.tune_seconds = 1;
  const Settings settings = effective_settings(options);
  CHECK(settings.cache_dir == fs::path("/option"));
  CHECK(settings.bundles == std::vector<fs::path>{"/one", "/two"});
  CHECK_FALSE(settings.offline);
  CHECK(settings.kernel_dir == "/option");
  CHECK(settings.tune == TuneMode::kOnFirstUse);
  CHECK(settings.tune_seconds == 1);
  options.tune_seconds = -1;
  CHECK_THROWS_AS(effective_settings(options), Error);
  options.tune_seconds = std::nullopt;
  options.cache_dir = "";
  CHECK_FALSE(effective_settings(options).cache_dir.has_value());
}

TEST_CASE("a pinned digest is a digest, and of one bundle") {
  test::ScopedEnvironment environment;
  clean(environment);
  Options options;
  options.bundles = {"/bundle"};
  options.bundle_digest = std::string(64, 'a');
  CHECK(effective_settings(options).bundle_digest == std::string(64, 'a'));
  options.bundle_digest = "abc";
  CHECK_THROWS_AS(effective_settings(options), Error);
  options.bundle_digest = std::string(64, 'a');
  options.bundles = {"/bundle", "/another"};
  CHECK_THROWS_AS(effective_settings(options), Error);
}

TEST_CASE("describe_settings shows the value that is set") {
  test::ScopedEnvironment environment;
  clean(environment).set("FLASHJIT_LOG", "trace");
  bool found = false;
  for (const SettingRow& row : describe_settings()) {
    CHECK_FALSE(row.meaning.empty());
    if (row.variable == "FLASHJIT_LOG") found = row.value == "trace";
  }
  CHECK(found);
}

TEST_CASE("find_program takes the first executable of PATH, then the toolkit's") {
  test::TempDir dir;
  for (const char* folder : {"first", "second", "cuda/bin"}) fs::create_directories(dir / folder);
  for (const char* file : {"first/tool", "second/tool", "cuda/bin/only_there"}) {
    std::ofstream(dir / file) << "#!/bin/sh\n";
  }
  fs::permissions(dir / "second/tool", fs::perms::owner_all);
  fs::permissions(dir / "cuda/bin/only_there", fs::perms::owner_all);
  test::ScopedEnvironment environment;
  environment.set("PATH", (dir / "first").string() + ":" + (dir / "second").string());
  environment.set("CUDA_HOME", (dir / "cuda").string());
  CHECK(find_program("tool") == dir / "second/tool");  // the first one is not executable
  CHECK(find_program("only_there") == dir / "cuda/bin/only_there");
  CHECK(find_program("no_such_tool").empty());
}

TEST_CASE("NVRTC is found in the directories of the environment, the newest major version first") {
  test::TempDir dir;
  for (const char* folder : {"path", "cuda/lib64"}) fs::create_directories(dir / folder);
  for (const char* file : {"path/libnvrtc.so.12", "cuda/lib64/libnvrtc.so.12"}) {
    std::ofstream(dir / file) << "a library";
  }
  test::ScopedEnvironment environment;
  clean(environment)
      .set("LD_LIBRARY_PATH", (dir / "path").string())
      .set("CUDA_HOME", (dir / "cuda").string());
  CHECK(find_library("libnvrtc.so.12") == dir / "path/libnvrtc.so.12");
  CHECK(find_library("no_such_library").empty());
  std::ofstream(dir / "cuda/lib64/libnvrtc.so.13") << "a library";
  CHECK(read_settings().libnvrtc == dir / "cuda/lib64/libnvrtc.so.13");
  environment.set("FLASHJIT_LIBNVRTC", "/lib/libnvrtc.so");
  CHECK(read_settings().libnvrtc == "/lib/libnvrtc.so");
}
