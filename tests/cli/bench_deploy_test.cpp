// `flashjit bench-preload` and `bench-start` on the fake driver.
#include <fstream>

#include "cli/run_program.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

TEST_CASE("bench-preload and bench-start measure what they say, and write it to a file") {
  if (!machine_has("NVRTC")) return;
  const TempDir directory;
  const std::string environment = std::string("FLASHJIT_TUNE=off FLASHJIT_LIBCUDA=") +
                                  FLASHJIT_FAKE_CUDA + " FLASHJIT_BUNDLES=/no/bundle";
  const std::string out = (directory / "preload.json").string();
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

  const std::string starts = (directory / "start.json").string();
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

}  // namespace
}  // namespace flashjit::test
