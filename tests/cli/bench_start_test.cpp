// The fresh processes of `bench --host`, on a driver without a GPU: each reports its phases, and
// the second finds in the cache what the first one compiled.
#include "cli/run_program.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

nlohmann::json start(const std::string& kind, const TempDir& cache) {
  const ProgramRun run =
      run_program("bench --json --batch 1 --heads 2 --seqlen 100 --head-dim 64 --start " + kind +
                      " --start-cache '" + cache.path().string() + "'",
                  std::string("FLASHJIT_LIBCUDA=") + FLASHJIT_FAKE_CUDA);
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  return run.json();
}

}  // namespace

TEST_CASE("a first call in a process of its own is told in phases") {
  if (!machine_has("NVRTC")) return;
  const TempDir cache;
  CHECK(start("context", cache).contains("context_ms"));
  CHECK(start("forward", cache).at("origin") == "compiled");
  const nlohmann::json forward = start("forward", cache);
  CHECK(forward.at("origin") == "disk cache");
  const nlohmann::json live = start("live", cache);
  CHECK(live.at("origin") == "disk cache");
  CHECK(live.contains("context_ms"));
  for (const char* phase : {"runtime_ms", "lookup_ms", "first_ms", "again_ms"}) {
    CHECK(forward.at(phase).is_number());
    CHECK(live.at(phase).is_number());
  }
  const nlohmann::json steps = start("steps", cache);
  for (const char* step : {"nvrtc_build_ms", "source_ms", "read_ms", "module_ms", "counters_ms"})
    CHECK(steps.at(step).is_number());
}

}  // namespace flashjit::test
