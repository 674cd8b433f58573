// Long commands that are stopped in the middle: by Ctrl-C, by SIGTERM, by SIGKILL.
#include <signal.h>

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

// A machine with the fake driver, and a workload of four variants.
struct Site {
  TempDir directory;
  std::string workload = (directory / "workload.jsonl").string();
  std::string out = (directory / "out").string();
  std::filesystem::path entries = directory / "cache/v1";
  std::string environment = std::string("FLASHJIT_LIBCUDA=") + FLASHJIT_FAKE_CUDA +
                            " FLASHJIT_CACHE_DIR=" + (directory / "cache").string();

  Site() { write_workload(workload, 4); }

  int num_entries() const {
    int count = 0;
    std::error_code ignored;
    for (const auto& file : std::filesystem::directory_iterator(entries, ignored))
      count += file.path().extension() == ".fjc";
    return count;
  }
  // Sends the signal when the first variant is in the cache; the exit status, or 128 + the signal
  // that ended the program.
  int stop(const std::string& arguments, int signal) const {
    const std::string command = "exec env " + environment + " " + FLASHJIT_PROGRAM + " " +
                                arguments + " >" + out + " 2>/dev/null";
    const pid_t child = start_child([&] {
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      return 99;
    });
    for (int i = 0; i < 6000 && num_entries() == 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ::kill(child, signal);
    return wait_child(child);
  }
};

TEST_CASE("a preload that is interrupted or killed is resumed by the next") {
  if (!machine_has("NVRTC")) return;
  const Site site;
  const auto [signal, expected] =
      GENERATE(table<int, int>({{SIGINT, 130}, {SIGTERM, 143}, {SIGKILL, 128 + SIGKILL}}));
  REQUIRE(site.stop("preload --json --threads 1 " + site.workload, signal) == expected);
  const int compiled = site.num_entries();
  CHECK(compiled >= 1);
  CHECK(compiled < 4);
  if (signal != SIGKILL) {
    const nlohmann::json stopped = nlohmann::json::parse(std::ifstream(site.out));
    CHECK(stopped.at("cancelled") == true);
    CHECK(stopped.at("compiles") == compiled);
  }
  CHECK(run_program("cache verify", site.environment).exit_code == 0);
  const ProgramRun again = run_program("preload --json " + site.workload, site.environment);
  REQUIRE(again.exit_code == 0);
  CHECK(again.json().at("disk_hits") == compiled);
  CHECK(again.json().at("compiles") == 4 - compiled);
}

// The fake driver can time nothing, so that every problem fails: what is tested is that the signal
// ends the run before the last one.
TEST_CASE("an interrupted tune stops, and its exit code is that of the signal") {
  if (!machine_has("NVRTC")) return;
  const Site site;
  const auto [signal, expected] = GENERATE(table<int, int>({{SIGINT, 130}, {SIGTERM, 143}}));
  REQUIRE(site.stop("tune --json --grid --threads 1", signal) == expected);
  const nlohmann::json stopped = nlohmann::json::parse(std::ifstream(site.out));
  REQUIRE(stopped.at("problems").size() == 36);
  CHECK(stopped.at("problems").back().at("state") == "not begun");
}

TEST_CASE("an interrupted export writes no bundle, and no half of one") {
  if (!machine_has("NVRTC")) return;
  const Site site;
  const std::filesystem::path place = site.directory / "place";
  std::filesystem::create_directory(place);
  CHECK(site.stop("export " + (place / "bundle").string() +
                      " --threads 1 --arch sm_90a --workload " + site.workload,
                  SIGINT) == 130);
  CHECK(std::filesystem::is_empty(place));
  CHECK(site.num_entries() >= 1);
}

}  // namespace
}  // namespace flashjit::test
