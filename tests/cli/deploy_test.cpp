// From a workload file to a bundle that is shipped: build, export, verify, import, diff, cache; and
// check.
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "cli/fake_bundle.h"
#include "cli/run_program.h"
#include "support/catch.h"
#include "support/child_process.h"
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

TEST_CASE("an interrupted preload stops cleanly, and the next goes on from there") {
  if (!machine_has("NVRTC")) return;
  const TempDir directory;
  const std::string workload = (directory / "workload.jsonl").string();
  write_workload(workload, 8);
  const std::filesystem::path cache = directory / "cache";
  const std::string environment = std::string("FLASHJIT_LIBCUDA=") + FLASHJIT_FAKE_CUDA +
                                  " FLASHJIT_CACHE_DIR=" + cache.string();
  const auto [signal, expected] = GENERATE(table<int, int>({{SIGINT, 130}, {SIGTERM, 143}}));
  const std::string out = (directory / "out").string();
  const pid_t child =
      start_child([&,
                   command = "exec env " + environment + " " + FLASHJIT_PROGRAM +
                             " preload --json --threads 1 " + workload + " >" + out] {
        ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
        return 99;
      });
  const auto has_entry = [&] {
    std::error_code ignored;
    for (const auto& file : std::filesystem::directory_iterator(cache / "v1", ignored))
      if (file.path().extension() == ".fjc") return true;
    return false;
  };
  for (int i = 0; i < 3000 && !has_entry(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ::kill(child, signal);
  REQUIRE(wait_child(child) == expected);
  const nlohmann::json stopped = nlohmann::json::parse(std::ifstream(out));
  CHECK(stopped.at("cancelled") == true);
  const int compiled = stopped.at("compiles");
  CHECK(compiled >= 1);
  CHECK(compiled < 8);
  CHECK(run_program("cache verify", environment).exit_code == 0);
  const ProgramRun again = run_program("preload --json " + workload, environment);
  REQUIRE(again.exit_code == 0);
  CHECK(again.json().at("disk_hits") == compiled);
  CHECK(again.json().at("compiles") == 8 - compiled);
}

TEST_CASE("bench-preload and bench-start measure what they say, and write it to a file") {
  if (!machine_has("NVRTC")) return;
  const Site site;
  const std::string environment = std::string("FLASHJIT_TUNE=off FLASHJIT_LIBCUDA=") +
                                  FLASHJIT_FAKE_CUDA + " FLASHJIT_BUNDLES=/no/bundle";
  const std::string out = site.path("results/preload.json");
  const ProgramRun preload = run_program(
      "bench-preload --json --variants 3 --alone 1 --threads 2 --out " + out, environment);
  INFO(preload.err);
  REQUIRE(preload.exit_code == 0);
  const nlohmann::json file = nlohmann::json::parse(std::ifstream(out));
  CHECK(file.at("device") == "Fake H100");
  CHECK(file.at("command") == "flashjit bench-preload --variants 3 --threads 2 --alone 1");
  CHECK(file.at("date").get<std::string>().size() == 10);
  CHECK(file.at("rows") == preload.json().at("rows"));
  const nlohmann::json many = file.at("rows").at(0), one = file.at("rows").at(1);
  CHECK(many.at("variants") == 3);
  CHECK(many.at("threads") == 2);
  CHECK(one.at("variants") == 1);
  CHECK(file.at("many_ms") == many.at("wall_ms"));
  // One of three, scaled to all: longer than it took, and the speed-up is the quotient.
  CHECK(file.at("one_all_ms") > one.at("wall_ms"));
  const double quotient = file.at("one_all_ms").get<double>() / file.at("many_ms").get<double>();
  CHECK(file.at("speedup") == quotient);

  const std::string starts = site.path("start.json");
  const ProgramRun start =
      run_program("bench-start --json --variants 2 --starts 3 --out " + starts, environment);
  INFO(start.err);
  REQUIRE(start.exit_code == 0);
  const nlohmann::json started = nlohmann::json::parse(std::ifstream(starts));
  CHECK(started.at("entries") == 2);
  REQUIRE(started.at("rows").size() == 3);
  for (const auto& row : started.at("rows")) {
    CHECK(row.at("first_launch_ms") > 0);
    CHECK(row.at("process_ms") > row.at("context_ms"));
    CHECK(row.at("process_ms") > row.at("first_launch_ms"));
  }
  CHECK(started.at("beyond_ms") == start.json().at("start").at("beyond_ms"));
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
