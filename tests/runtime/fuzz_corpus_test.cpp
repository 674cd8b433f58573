// The corpus that the fuzzers kept, once through the same checks in every test run.
#include <filesystem>

#include "fuzz/fuzz_targets.h"
#include "runtime/posix_file.h"
#include "support/catch.h"
#include "support/paths.h"

using namespace flashjit;
namespace fs = std::filesystem;

TEST_CASE("the parsers keep their promises on the kept corpus") {
  using Target = void (*)(std::span<const std::byte>);
  const auto [name, target] = GENERATE(table<const char*, Target>({
      {"cache_entry", test::fuzz_cache_entry},
      {"bundle_manifest", test::fuzz_bundle_manifest},
      {"workload", test::fuzz_workload},
  }));
  int files = 0;
  for (const auto& item : fs::directory_iterator(test::source_dir() / "tests/fuzz/corpus" / name)) {
    target(read_file(item.path(), 1 << 20));  // aborts the program when a promise breaks
    ++files;
  }
  CHECK(files > 10);
}
