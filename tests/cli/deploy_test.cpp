// From a workload file to a bundle that is shipped: build, export, verify, import, diff, cache; and
// check.
#include <fstream>
#include <future>

#include "cli/fake_bundle.h"
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
  const nlohmann::json compiled = first.json().at("variants");
  for (const auto& row : compiled) CHECK(row.at("origin") == "compiled");
  const ProgramRun second = run_program(command, site.cache);
  const nlohmann::json found = second.json().at("variants");
  for (const auto& row : found) CHECK(row.at("origin") != "compiled");
  CHECK(run_program("cache stats --json", site.cache).json().at("cache").at("entries") == 2);
  CHECK(run_program("cache verify", site.cache).exit_code == 0);
  CHECK(run_program("cache clear --json", site.cache).json().at("removed") == 2);
  CHECK(run_program("cache list --json", site.cache).json().at("entries").empty());
}

TEST_CASE("64 programs that build one variant at once compile it once") {
  if (!machine_has("NVRTC")) return;
  const Site site;
  std::vector<std::future<ProgramRun>> programs;
  for (int i = 0; i < 64; ++i) {
    programs.push_back(std::async(std::launch::async, [&] {
      return run_program("build fwd_simt_fp32_d8_m16n16 --arch sm_80 --json", site.cache);
    }));
  }
  int compiled = 0;
  for (std::future<ProgramRun>& program : programs) {
    const ProgramRun run = program.get();
    INFO(run.err);
    REQUIRE(run.exit_code == 0);
    compiled += run.json().at("variants").at(0).at("origin") == "compiled";
  }
  CHECK(compiled == 1);
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
  // Built once more from nothing, it is the same: its digest can be pinned before it is shipped.
  const std::string again = site.path("again");
  REQUIRE(run_program("export " + again + " --arch sm_80 --workload " + site.workload,
                      "FLASHJIT_CACHE_DIR=" + site.path("empty"))
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

TEST_CASE("diff names the variants that came and went, and exits with 1") {
  const Site site;
  write_workload(site.workload, 2);
  const auto both = export_fake_bundle(site.path("both"), site.workload, {"sm_90a"});
  write_workload(site.workload, 1);
  export_fake_bundle(site.path("one"), site.workload, {"sm_90a"});
  const ProgramRun run = run_program("diff --json " + site.path("both") + " " + site.path("one"));
  CHECK(run.exit_code == 1);
  const nlohmann::json changes = run.json().at("changes");
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].at("change") == "removed");
  CHECK(changes[0].at("variant") == both[1]);
  CHECK(changes[0].at("arch") == "sm_90a");
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

TEST_CASE("a bundle for six architectures is built without a GPU") {
  if (!machine_has("NVRTC")) return;
  const Site site(R"({"dtype": "fp32", "head_dim_qk": 8, "num_heads_q": 1, "seqlen_q": 16})");
  const std::string bundle = site.path("bundle");
  const ProgramRun run = run_program("export " + bundle +
                                         " --arch sm_80,sm_86,sm_89,sm_90a,sm_100a,sm_120 "
                                         "--provenance 'commit 1234' --workload " +
                                         site.workload,
                                     "FLASHJIT_LIBCUDA=/no/such " + site.cache);
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  const nlohmann::json facts = run_program("verify --json " + bundle).json().at("bundle");
  CHECK(facts.at("archs") ==
        nlohmann::json({"sm_100a", "sm_120", "sm_80", "sm_86", "sm_89", "sm_90a"}));
  CHECK(facts.at("entries") == 6);
  CHECK(facts.at("provenance") == "commit 1234");
  CHECK(facts.at("minimum_driver").get<int>() >= 12080);
}

TEST_CASE("what a program used is recorded, and preload takes the record") {
  const Site site;
  const std::string record = site.path("record.jsonl");
  REQUIRE(run_program("demo --backend cpu", "FLASHJIT_RECORD=" + record).exit_code == 0);
  const ProgramRun run = run_program("preload --backend cpu --json " + record);
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  CHECK(run.json().at("variants").size() >= 1);
  CHECK(run.json().at("failed") == 0);
}

TEST_CASE("the cache is listed, verified and cleaned") {
  const Site site;
  write_workload(site.workload, 3);
  export_fake_bundle(site.path("bundle"), site.workload, {"sm_90a"});
  REQUIRE(run_program("import " + site.path("bundle"), site.cache).exit_code == 0);
  CHECK(run_program("cache list --json", site.cache).json().at("entries").size() == 3);
  CHECK(run_program("cache verify", site.cache).exit_code == 0);

  const std::filesystem::path entries = site.directory / "cache/v1";
  for (const auto& file : std::filesystem::directory_iterator(entries)) {
    if (file.path().extension() != ".fjc") continue;
    std::filesystem::resize_file(file.path(), 50);
    break;
  }
  const ProgramRun verify = run_program("cache verify --json", site.cache);
  CHECK(verify.exit_code == 3);
  CHECK(verify.json().at("bad") == 1);
  const nlohmann::json stats = run_program("cache stats --json", site.cache).json().at("cache");
  CHECK(stats.at("entries") == 2);
  CHECK(stats.at("bad_entries") == 1);
  CHECK(stats.at("max_bytes") == 1 << 30);
  const nlohmann::json gc = run_program("cache gc --json", site.cache).json();
  CHECK(gc.at("bad") == 1);
  CHECK(gc.at("evicted") == 0);
  CHECK(run_program("cache verify", site.cache).exit_code == 0);
  const nlohmann::json small =
      run_program("cache gc --json", site.cache + " FLASHJIT_CACHE_MAX_BYTES=3K").json();
  CHECK(small.at("evicted") == 1);
  CHECK(run_program("cache clear --json", site.cache).json().at("removed") == 1);
  CHECK(run_program("cache list", "FLASHJIT_CACHE_DIR=off").exit_code == 2);
}

TEST_CASE("wrong usage exits with 2 and names what is wrong") {
  const Site site;
  const auto complaint = [&](const std::string& arguments) {
    const ProgramRun run = run_program(arguments);
    CHECK(run.exit_code == 2);
    return run.err;
  };
  const std::string from = " --workload " + site.workload;
  CHECK_THAT(complaint("build --arch sm_x" + from), ContainsSubstring("sm_x"));
  CHECK_THAT(complaint("build --arch sm_80"), ContainsSubstring("--workload"));
  if (machine_has("NVRTC")) {
    CHECK_THAT(complaint("export " + site.path("new") + " --arch sm_80,sm_99" + from),
               ContainsSubstring("sm_99") && ContainsSubstring("sm_90, "));
    CHECK_FALSE(std::filesystem::exists(site.directory / "new"));
  }
  CHECK_THAT(complaint("build fwd_nothing --arch sm_80"), ContainsSubstring("fwd_nothing"));
  CHECK_THAT(complaint("build" + from), ContainsSubstring("--arch"));
  CHECK_THAT(complaint("preload --threads 0 x"), ContainsSubstring("--threads"));
  CHECK_THAT(complaint("preload"), ContainsSubstring("WORKLOAD"));
  std::filesystem::create_directory(site.directory / "used");
  std::ofstream(site.directory / "used/file") << "mine";
  CHECK_THAT(complaint("export " + site.path("used") + " --arch sm_80" + from),
             ContainsSubstring("used exists already"));
  CHECK(std::distance(std::filesystem::directory_iterator(site.directory / "used"), {}) == 1);
}

TEST_CASE("wrong data exits with 3, names the place, and leaves nothing half-written") {
  const Site site;
  const auto complaint = [&](const std::string& arguments) {
    const ProgramRun run = run_program(arguments, site.cache);
    CHECK(run.exit_code == 3);
    return run.err + run.out;
  };
  const auto put_manifest = [&](const std::string& text) {
    std::filesystem::create_directories(site.path("bundle"));
    std::ofstream(site.path("bundle") + "/manifest.json") << text;
  };
  const std::string bundle = site.path("bundle");
  put_manifest("{\"schema\": ");
  CHECK_THAT(complaint("verify " + bundle), ContainsSubstring("manifest.json: not JSON"));
  put_manifest(R"({"schema": "flashjit-bundle/9"})");
  CHECK_THAT(complaint("verify " + bundle), ContainsSubstring("flashjit-bundle/9"));
  CHECK_THAT(complaint("import " + bundle), ContainsSubstring("manifest.json"));
  CHECK_THAT(complaint("diff " + bundle + " " + bundle), ContainsSubstring("manifest.json"));
  CHECK_FALSE(std::filesystem::exists(site.directory / "cache"));

  std::ofstream(site.workload, std::ios::app) << R"({"dtype": "fp8"})"
                                              << "\n";
  CHECK_THAT(complaint("build --arch sm_80 --workload " + site.workload),
             ContainsSubstring("workload.jsonl:3"));
  CHECK_THAT(complaint("export " + site.path("new") + " --arch sm_80 --workload " + site.workload),
             ContainsSubstring("workload.jsonl:3"));
  CHECK_FALSE(std::filesystem::exists(site.path("new")));
  CHECK_THAT(complaint("preload " + site.path("none") + " --backend cpu"),
             ContainsSubstring("none"));
}

TEST_CASE("a bundle with a bad entry is not imported at all") {
  const Site site;
  write_workload(site.workload, 3);
  const std::string bundle = site.path("bundle");
  export_fake_bundle(bundle, site.workload, {"sm_90a"});
  for (const auto& file : std::filesystem::directory_iterator(bundle + "/entries")) {
    std::filesystem::resize_file(file.path(), 50);
    break;
  }
  const ProgramRun run = run_program("import " + bundle, site.cache);
  CHECK(run.exit_code == 3);
  CHECK_THAT(run.err, ContainsSubstring("entries/") && ContainsSubstring("nothing was imported"));
  CHECK_FALSE(std::filesystem::exists(site.directory / "cache"));
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
