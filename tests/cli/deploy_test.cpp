// From a workload file to a bundle that is shipped: build, export, verify, import, diff, cache; and
// check.
#include <fstream>

#include "cli/run_program.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

constexpr const char* kWorkload =
    R"({"dtype": "fp16", "head_dim_qk": 64, "num_heads_q": 4, "seqlen_q": 128})"
    "\n"
    R"({"dtype": "fp32", "head_dim_qk": 32, "num_heads_q": 4, "seqlen_q": 128, "mask": "causal"})"
    "\n";

struct Site {
  TempDir directory;
  std::string workload = (directory / "workload.jsonl").string();
  std::string cache = "FLASHJIT_CACHE_DIR=" + (directory / "cache").string();

  explicit Site(const std::string& text = kWorkload) { std::ofstream(workload) << text; }
  std::string path(const char* name) const { return (directory / name).string(); }
};

TEST_CASE("build compiles each variant once, and finds it the next time") {
  if (!machine_has("NVRTC")) return;
  const Site site;
  const std::string command = "build --json --arch sm_80 --workload " + site.workload;
  const ProgramRun first = run_program(command, site.cache);
  REQUIRE(first.exit_code == 0);
  REQUIRE(first.json().at("variants").size() == 2);
  for (const auto& row : first.json().at("variants")) CHECK(row.at("origin") == "compiled");
  const ProgramRun second = run_program(command, site.cache);
  for (const auto& row : second.json().at("variants")) CHECK(row.at("origin") != "compiled");
  CHECK(run_program("cache stats --json", site.cache).json().at("cache").at("entries") == 2);
  CHECK(run_program("cache verify", site.cache).exit_code == 0);
  CHECK(run_program("cache clear --json", site.cache).json().at("removed") == 2);
  CHECK(run_program("cache list --json", site.cache).json().at("entries").empty());
}

TEST_CASE("a bundle is exported, verified, imported, and a changed byte is found") {
  if (!machine_has("NVRTC")) return;
  const Site site;
  const std::string bundle = site.path("bundle");
  REQUIRE(run_program("export " + bundle + " --arch sm_80 --workload " + site.workload, site.cache)
              .exit_code == 0);
  CHECK(run_program("verify " + bundle).exit_code == 0);
  const ProgramRun import =
      run_program("import --json " + bundle, "FLASHJIT_CACHE_DIR=" + site.path("other"));
  CHECK(import.exit_code == 0);
  CHECK(import.json().at("added") == 2);
  const std::string again = site.path("again");
  REQUIRE(run_program("export " + again + " --arch sm_80 --workload " + site.workload, site.cache)
              .exit_code == 0);
  CHECK(run_program("diff " + bundle + " " + again).exit_code == 0);

  for (const auto& file : std::filesystem::directory_iterator(bundle + "/entries")) {
    std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(200);
    bytes.put('\x01');
    break;
  }
  const ProgramRun verify = run_program("verify --json " + bundle);
  CHECK(verify.exit_code == 3);
  CHECK(verify.json().at("findings").size() >= 1);
}

TEST_CASE("a workload with an illegal problem exits with 3 and names the line") {
  const Site site(
      "\n{\"dtype\": \"fp16\", \"head_dim_qk\": 12, \"num_heads_q\": 4, \"seqlen_q\": 128}\n");
  const ProgramRun run = run_program("preload --backend cpu " + site.workload);
  CHECK(run.exit_code == 3);
  CHECK_THAT(run.err, ContainsSubstring("workload.jsonl:2"));
}

TEST_CASE("preload names the variant of every problem") {
  const Site site;
  const ProgramRun run = run_program("preload --backend cpu --json " + site.workload);
  REQUIRE(run.exit_code == 0);
  CHECK(run.json().at("variants").size() == 2);
}

TEST_CASE("a directory that is no bundle exits with 3") {
  const Site site;
  CHECK(run_program("verify " + site.path("nothing")).exit_code == 3);
}

TEST_CASE("check runs a variant on the emulator") {
  if (run_program("check --help").exit_code != 0 || !machine_has("host compiler")) return;
  const ProgramRun run = run_program(
      "check fwd_simt_fp32_d8_m16n16 --arch sm_80 --shape 1,5,7,1,1 --schedules 2 --json");
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  CHECK(run.json().at("check").at("ok") == true);
  CHECK(run.json().at("check").at("schedules") == 2);
}

}  // namespace
}  // namespace flashjit::test
