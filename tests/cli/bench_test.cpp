// `flashjit bench` where there is no GPU: what it refuses, and the files that commands are to
// write.
#include <filesystem>

#include "cli/run_program.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

constexpr const char* kNoGpu = "FLASHJIT_LIBCUDA=/nonexistent.so FLASHJIT_LIBNVRTC=/nonexistent.so";

TEST_CASE("bench refuses what a mode would ignore, and names both") {
  const auto [flags, first, second] = GENERATE(table<std::string, std::string, std::string>(
      {{"--compile --dtype fp16", "--compile", "--dtype"},
       {"--compile --causal", "--compile", "--causal"},
       {"--compile --grid", "--compile", "--grid"},
       {"--grid --head-dim 64", "--grid", "--head-dim"},
       {"--grid --batch 2", "--grid", "--batch"},
       {"--grid --ladder", "--grid", "--ladder"},
       {"--grid --host", "--grid", "--host"},
       {"--grid --out x", "--grid", "--out"},
       {"--ladder --causal", "--ladder", "--causal"},
       {"--host --rounds 3", "--host", "--rounds"},
       {"--records x", "--records", "--tuned-grid"},
       {"--out x", "measuring one problem", "--out"}}));
  const ProgramRun run = run_program("bench " + flags, kNoGpu);
  CHECK(run.exit_code == 2);
  CHECK_THAT(run.err, ContainsSubstring(first));
  CHECK_THAT(run.err, ContainsSubstring(second));
}

TEST_CASE("bench says what a wrong head_dim should be, and what it can do without a GPU") {
  const ProgramRun run = run_program("bench --compile --head-dims 65", kNoGpu);
  CHECK(run.exit_code == 2);
  CHECK_THAT(run.err, ContainsSubstring("multiple of 8"));
  const ProgramRun no_gpu = run_program("bench", kNoGpu);
  CHECK(no_gpu.exit_code == 1);
  CHECK_THAT(no_gpu.err, ContainsSubstring("bench --compile") && ContainsSubstring("analyze"));
}

TEST_CASE("a file whose directory does not exist is an error before any work") {
  for (const std::string command : {"bench --compile",
                                    "bench --ladder",
                                    "bench --tuned-grid",
                                    "bench-preload",
                                    "report",
                                    "profile --backend emulated"}) {
    const TempDir directory;
    const std::string missing = directory / "missing";
    const ProgramRun run = run_program(command + " --out " + missing + "/x.html", kNoGpu);
    INFO(command << ": " << run.err);
    CHECK(run.exit_code == 3);
    CHECK_THAT(run.err, ContainsSubstring("the directory " + missing + " does not exist"));
    CHECK_FALSE(std::filesystem::exists(missing));
  }
}

}  // namespace
}  // namespace flashjit::test
