// `flashjit tune --dry-run`: the search space in text and JSON, and what it says where there is
// none.
#include <set>
#include <sstream>

#include "cli/run_program.h"
#include "cli/table.h"
#include "runtime/variant_name.h"
#include "support/catch.h"

namespace flashjit::test {
namespace {

constexpr const char* kNoGpu = "FLASHJIT_LIBCUDA=/nonexistent.so FLASHJIT_LIBNVRTC=/nonexistent.so";

TEST_CASE("tune --dry-run prints the ranked search space without a GPU") {
  const ProgramRun run = run_program(
      "tune --dry-run --arch sm_90a --head-dim 128 --causal --seqlen 2048 --limit 25 --json",
      kNoGpu);
  REQUIRE(run.exit_code == 0);
  const nlohmann::json document = run.json();
  const nlohmann::json rows = document.at("candidates");
  const int default_rank = document.at("problems").at(0).at("default_rank");
  REQUIRE(rows.size() == (default_rank > 25 ? 26u : 25u));
  std::set<std::string> names;
  double before = 0;
  for (const nlohmann::json& row : rows) {
    const std::string name = row.at("variant");
    CHECK(parse_variant_name(name, {9, 0, true}).has_value());
    CHECK(names.insert(name).second);
    CHECK(row.at("estimate_us") >= before);
    before = row.at("estimate_us");
    CHECK(row.at("smem_bytes") <= 227 * 1024);
  }
  const nlohmann::json space = document.at("problems").at(0);
  CHECK(space.at("family") == "sm90");
  CHECK(space.at("legal") > 1000);
  int refused = 0;
  for (const auto& [reason, count] : space.at("reasons").items()) refused += count.get<int>();
  CHECK(refused == space.at("refused"));
  CHECK(space.at("default_rank") >= 1);
  CHECK(space.at("measured_first") <= 64);
}

TEST_CASE("the text of a dry run fits a terminal and says why tilings are refused") {
  const ProgramRun run = run_program("tune --dry-run --arch sm_80 --head-dim 128", kNoGpu);
  REQUIRE(run.exit_code == 0);
  CHECK_THAT(run.out, ContainsSubstring("refused: "));
  std::istringstream lines(run.out);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    CHECK(cli::display_width(line) <= cli::kTextWidth);
  }
}

TEST_CASE("a dry run shows the default tiling wherever it ranks") {
  const ProgramRun run = run_program("tune --dry-run --arch sm_80 --limit 1 --json", kNoGpu);
  REQUIRE(run.exit_code == 0);
  const nlohmann::json document = run.json(), rows = document.at("candidates");
  REQUIRE(document.at("problems").at(0).at("default_rank") > 1);
  REQUIRE(rows.size() == 2);
  CHECK(rows.at(0).at("default") == false);
  CHECK(rows.at(1).at("default") == true);
  CHECK(rows.at(1).at("rank") == document.at("problems").at(0).at("default_rank"));
}

TEST_CASE("the baseline has a search space of its default tiling") {
  for (const std::string dtype : {"bf16", "fp32"}) {
    const ProgramRun run = run_program(
        "tune --dry-run --family standard --arch sm_80 --json --dtype " + dtype, kNoGpu);
    CHECK(run.exit_code == 0);
    CHECK(run.json().at("problems").at(0).at("legal") >= 1);
  }
}

TEST_CASE("a dry run in which nothing is legal exits with 1 and says why") {
  const ProgramRun run = run_program("tune --dry-run --family sm90 --arch sm_80", kNoGpu);
  CHECK(run.exit_code == 1);
  CHECK_THAT(run.out, ContainsSubstring("no sm90 tiling is legal on sm_80: sm90"));
  const ProgramRun old = run_program("tune --dry-run --arch sm_70", kNoGpu);
  CHECK(old.exit_code == 1);
  CHECK_THAT(old.err, !ContainsSubstring("sm_70 (sm_70)"));
}

TEST_CASE("sm_90 says that it leaves out the Hopper kernels") {
  for (const std::string command : {"list", "tune --dry-run"}) {
    const ProgramRun plain = run_program(command + " --arch sm_90", kNoGpu);
    CHECK(plain.exit_code == 0);
    CHECK_THAT(plain.out, ContainsSubstring("sm90 kernels need sm_90a"));
    CHECK_THAT(run_program(command + " --arch sm_90a", kNoGpu).out, !ContainsSubstring("need sm_"));
  }
}

TEST_CASE("--limit shows the candidates of each of several problems") {
  const std::string command = "tune --dry-run --arch sm_80 --preset sample";
  CHECK_THAT(run_program(command, kNoGpu).out, !ContainsSubstring("estimate µs"));
  const std::string text = run_program(command + " --limit 1", kNoGpu).out;
  std::size_t tables = 0;
  for (std::size_t at = text.find("estimate µs"); at != std::string::npos;
       at = text.find("estimate µs", at + 1))
    ++tables;
  CHECK(tables == 6);
}

}  // namespace
}  // namespace flashjit::test
