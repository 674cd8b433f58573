// What is said once, or before any work, of places that are wrong: bundles, records, targets.
#include <filesystem>
#include <fstream>

#include "cli/fake_bundle.h"
#include "cli/run_program.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

struct Site {
  TempDir directory;
  std::string workload = (directory / "workload.jsonl").string();
  std::string cache = "FLASHJIT_CACHE_DIR=" + (directory / "cache").string();

  Site() { write_workload(workload, 1); }
};

TEST_CASE("export says before any work that its place takes nothing") {
  const Site site;
  std::ofstream(site.directory / "file") << "mine";
  const std::string place = GENERATE("/proc/new", "/proc/none/new", "file/new");
  const std::string target = place[0] == '/' ? place : (site.directory / place).string();
  // Without a compiler: work would fail with 1.
  const ProgramRun run =
      run_program("export " + target + " --arch sm_90a --workload " + site.workload,
                  site.cache + " FLASHJIT_LIBNVRTC=/nonexistent.so");
  CHECK(run.exit_code == 3);
  CHECK_THAT(run.err,
             ContainsSubstring("cannot export to " + target + ": no directory can be made in "));
  CHECK_FALSE(std::filesystem::exists(site.directory / "cache"));
}

TEST_CASE("a bad tuning record is warned of once") {
  const Site site;
  const std::filesystem::path tuning = site.directory / "cache/tuning";
  std::filesystem::create_directories(tuning);
  std::filesystem::permissions(site.directory / "cache", std::filesystem::perms(0700));
  std::ofstream(tuning / "planted.json") << "{}";
  const std::string from = " --arch sm_90a --workload " + site.workload;
  const std::string target = (site.directory / "new").string();
  for (const std::string& command :
       {std::string("stats"), std::string("build"), "export " + target}) {
    if (command != "stats" && !machine_has("NVRTC")) continue;
    const std::string err = run_program(command + from, site.cache).err;
    INFO(command << ": " << err);
    const std::size_t first = err.find("planted.json");
    REQUIRE(first != std::string::npos);
    CHECK(err.find("planted.json", first + 1) == std::string::npos);
  }
}

TEST_CASE("a bundle that is not there is warned of once") {
  const Site site;
  const std::string command =
      GENERATE("list --arch sm_90a", "stats", "stats --arch sm_90a --workload ");
  const std::string nvrtc = GENERATE("", " FLASHJIT_LIBNVRTC=/nonexistent.so");
  const ProgramRun run =
      run_program(command + (command.ends_with(' ') ? site.workload : std::string()),
                  site.cache + " FLASHJIT_BUNDLES=/nope" + nvrtc);
  INFO(command << nvrtc << ": " << run.err);
  const std::size_t first = run.err.find("bundle without a readable manifest: cannot open /nope/");
  REQUIRE(first != std::string::npos);
  CHECK(run.err.find("/nope", first + 60) == std::string::npos);
}

}  // namespace
}  // namespace flashjit::test
