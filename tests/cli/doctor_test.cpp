// `flashjit doctor`: what is there, and what is wrong, whichever part it is.
#include <filesystem>
#include <fstream>
#include <set>

#include "cli/run_program.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

TEST_CASE("doctor tells what is there and what is wrong") {
  const nlohmann::json healthy = run_program("doctor --json").json();
  std::set<std::string> checks;
  for (const nlohmann::json& check : healthy.at("checks")) checks.insert(check.at("what"));
  CHECK(checks ==
        std::set<std::string>{
            "GPU", "NVRTC", "cache", "tuning records", "CPU backend", "host compiler", "nvdisasm"});
  CHECK(healthy.at("settings").size() > 5);

  const ProgramRun sick = run_program("doctor --json",
                                      "FLASHJIT_CACHE_DIR=/dev/null/cache "
                                      "FLASHJIT_LIBNVRTC=/nonexistent.so FLASHJIT_BUNDLES=/none");
  CHECK(sick.exit_code == 1);
  const nlohmann::json sick_checks = sick.json().at("checks");
  std::set<std::string> broken{"cache", "NVRTC", "bundle"};
  for (const nlohmann::json& check : sick_checks) {
    if (broken.erase(check.at("what")) == 0) continue;
    CHECK(check.at("state") == "wrong");
    CHECK_FALSE(check.at("advice").get<std::string>().empty());
  }
  CHECK(broken.empty());
}

TEST_CASE("doctor names a tuning record that look-ups miss") {
  const TempDir directory;
  std::filesystem::create_directories(directory / "tuning");
  std::ofstream(directory / "tuning/one.json") << "{}";
  std::ofstream(directory / "tuning/two.json") << "{";
  const ProgramRun run =
      run_program("doctor --json", "FLASHJIT_CACHE_DIR=" + directory.path().string());
  CHECK(run.exit_code == 1);
  const nlohmann::json checks = run.json().at("checks");
  for (const nlohmann::json& check : checks) {
    if (check.at("what") != "tuning records") continue;
    CHECK(check.at("state") == "wrong");
    CHECK_THAT(check.at("found").get<std::string>(),
               ContainsSubstring("one.json") && ContainsSubstring("1 more"));
    return;
  }
  FAIL("doctor says nothing of tuning records");
}

TEST_CASE("doctor shows a malformed setting as one more finding and goes on with its default") {
  const auto [setting, said] = GENERATE(
      table<std::string, std::string>({{"FLASHJIT_KERNEL_DIR=/nonexistent", "/nonexistent"},
                                       {"FLASHJIT_TUNE=maybe", "on_first_use"},
                                       {"FLASHJIT_LOG=loud", "FLASHJIT_LOG='loud'"},
                                       {"FLASHJIT_CPU_THREADS=-1", "FLASHJIT_CPU_THREADS='-1'"}}));
  const ProgramRun run = run_program("doctor --json", setting);
  INFO(setting << "\n" << run.err);
  REQUIRE(run.exit_code == 1);
  const nlohmann::json checks = run.json().at("checks");
  REQUIRE(checks.size() == 8);
  CHECK(checks.at(0).at("what") == "setting");
  CHECK(checks.at(0).at("state") == "wrong");
  CHECK_THAT(checks.at(0).at("found").get<std::string>(),
             ContainsSubstring(said) && ContainsSubstring(setting.substr(0, setting.find('='))));
  // What was set, not the default that the rest was looked at with.
  CHECK_THAT(run.json().at("settings").dump(),
             ContainsSubstring("\"" + setting.substr(setting.find('=') + 1) + "\""));
}

TEST_CASE("doctor tries whether the cache directory can be made") {
  const auto cache = [](const std::string& directory) {
    const nlohmann::json checks =
        run_program("doctor --json", "FLASHJIT_CACHE_DIR=" + directory).json().at("checks");
    for (const nlohmann::json& check : checks) {
      if (check.at("what") == "cache") return check;
    }
    return nlohmann::json();
  };
  CHECK(cache("/proc/x").at("state") == "wrong");
  CHECK(cache("/proc").at("state") == "wrong");
  const TempDir directory;
  CHECK(cache((directory / "a/b").string()).at("state") == "ok");
  CHECK(cache(directory.path().string()).at("state") == "ok");
  CHECK(std::filesystem::is_empty(directory.path()));
}

}  // namespace
}  // namespace flashjit::test
