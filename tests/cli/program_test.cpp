// Usage, exit codes and the commands that only look: list, inspect.
#include <filesystem>
#include <fstream>
#include <set>

#include "cli/run_program.h"
#include "runtime/variant_name.h"
#include "support/catch.h"
#include "support/paths.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

constexpr const char* kMinimal = "fwd_simt_fp16_d64_m64n64";

TEST_CASE("wrong usage exits with 2 and says what is right") {
  CHECK(run_program("").exit_code == 2);
  CHECK(run_program("dance").exit_code == 2);
  CHECK(run_program("list --arch sm_banana").exit_code == 2);
  CHECK(run_program("list --dtype int8").exit_code == 2);
  CHECK(run_program("bench --head-dim 12 --device 0", "FLASHJIT_LIBCUDA=/nonexistent").exit_code ==
        1);
  CHECK_THAT(run_program("list --arch sm_banana").err, ContainsSubstring("sm_90a"));
}

TEST_CASE("help and version exit with 0") {
  CHECK(run_program("--help").exit_code == 0);
  CHECK_THAT(run_program("--help").out, ContainsSubstring("Exit codes"));
  CHECK_THAT(run_program("--version").out, ContainsSubstring("flashjit "));
}

TEST_CASE("an environment variable with a wrong value exits with 2 and is named") {
  const ProgramRun run = run_program("list --arch sm_80", "FLASHJIT_OFFLINE=maybe");
  CHECK(run.exit_code == 2);
  CHECK_THAT(run.err, ContainsSubstring("FLASHJIT_OFFLINE"));
}

TEST_CASE("list names legal variants of the architecture that was asked for") {
  for (const std::string arch : {"sm_80", "sm_90a"}) {
    const ProgramRun run = run_program("list --json --arch " + arch);
    REQUIRE(run.exit_code == 0);
    const nlohmann::json rows = run.json().at("variants");
    std::set<std::string> names, families;
    for (const nlohmann::json& row : rows) {
      CHECK(row.at("legal") == true);
      const std::string name = row.at("variant");
      const auto config = parse_variant_name(name, *parse_arch(arch));
      REQUIRE(config);
      CHECK(names.insert(name).second);
      families.insert(to_string(config->tiling.family));
    }
    CHECK(families.count("sm90") == (arch == "sm_90a" ? 1 : 0));
    CHECK(families.count("simt") == 1);
    CHECK(families.count("sm80") == 1);
  }
}

TEST_CASE("list --all gives the reason for what is not legal") {
  const nlohmann::json rows =
      run_program(
          "list --json --all --arch sm_80 --family sm90 --dtype bf16 --head-dim 64 --causal")
          .json()
          .at("not_legal");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].at("legal") == false);
  CHECK_FALSE(rows[0].at("why_not").get<std::string>().empty());
}

TEST_CASE("the minimal kernel has the plan of the textbook") {
  const ProgramRun run =
      run_program(std::string("inspect ") + kMinimal + " --arch sm_90a --plan --json");
  REQUIRE(run.exit_code == 0);
  const nlohmann::json rows = run.json().at("smem_plan");
  REQUIRE(rows.size() == 6);
  for (int i = 0; i < 3; ++i) CHECK(rows[i].at("bytes") == 8 * 1024);  // Q, K, V: 64 × 64 × 2 bytes
  for (int i = 3; i < 5; ++i) CHECK(rows[i].at("bytes") == 16 * 1024);  // S, P: 64 × 64 × 4 bytes
  CHECK(rows[5].at("bytes") == 56 * 1024);
}

TEST_CASE("an unknown variant exits with 2 and the nearest names") {
  const ProgramRun run = run_program("inspect fwd_simt_fp16_d64_m64n65 --arch sm_90a");
  CHECK(run.exit_code == 2);
  CHECK_THAT(run.err, ContainsSubstring(kMinimal));
  const ProgramRun other_words =
      run_program(std::string("inspect ") + kMinimal + "s1 --arch sm_90a");
  CHECK(other_words.exit_code == 2);
  CHECK_THAT(other_words.err, ContainsSubstring(std::string("is called ") + kMinimal));
}

TEST_CASE("a variant that is not legal on the architecture says why") {
  const ProgramRun run = run_program("inspect fwd_sm90_bf16_d128_m128n128s2 --arch sm_80");
  CHECK(run.exit_code == 2);
  CHECK_THAT(run.err, ContainsSubstring("sm_80"));
}

TEST_CASE("inspect shows source, PTX and resources") {
  const std::string command = std::string("inspect ") + kMinimal + " --arch sm_90a --json";
  CHECK_THAT(run_program(command + " --source").json().at("source").get<std::string>(),
             ContainsSubstring(kMinimal));
  if (!machine_has("NVRTC")) return;
  const ProgramRun run = run_program(command + " --ptx --resources --log");
  REQUIRE(run.exit_code == 0);
  const nlohmann::json document = run.json();
  CHECK_THAT(document.at("ptx").get<std::string>(), ContainsSubstring(".target sm_90a"));
  CHECK(document.at("resources").at("registers") > 15);
  CHECK(document.at("resources").at("registers") < 256);
  CHECK(document.at("resources").at("smem_bytes") == 56 * 1024);
  CHECK(document.at("occupancy").at("ctas_per_sm") >= 1);
}

TEST_CASE("inspect names an edited kernel tree, and says once why it does not compile") {
  if (!machine_has("NVRTC")) return;
  const TempDir directory;
  const std::filesystem::path tree = directory / "kernels";
  std::filesystem::copy(
      source_dir() / "kernel_src", tree, std::filesystem::copy_options::recursive);
  const std::string environment = "FLASHJIT_KERNEL_DIR=" + tree.string();
  const std::string command = std::string("inspect ") + kMinimal + " --arch sm_90a";
  CHECK(run_program(command + " --json").json().at("variant").at("kernel_sources") == "embedded");
  CHECK_THAT(run_program(command, environment).out, ContainsSubstring(tree.string()));
  std::ofstream(tree / "simt/fwd_kernel.cuh", std::ios::app) << "planted_mistake here;\n";
  const ProgramRun broken = run_program(command + " --ptx", environment);
  CHECK(broken.exit_code == 1);
  CHECK_THAT(broken.err,
             ContainsSubstring("kernel sources: " + tree.string() + " (FLASHJIT_KERNEL_DIR)"));
  const auto count = [&broken](const std::string& what) {
    int found = 0;
    for (std::size_t at = broken.err.find(what); at != std::string::npos;
         at = broken.err.find(what, at + 1))
      ++found;
    return found;
  };
  CHECK(count("\"planted_mistake\"") == 1);
  CHECK(count("source: ") == 1);
}

TEST_CASE("inspect --sass disassembles, or says what to install") {
  const std::string command = std::string("inspect ") + kMinimal + " --arch sm_90a --sass";
  if (!machine_has("NVRTC")) return;
  if (machine_has("nvdisasm")) {
    CHECK_THAT(run_program(command).out, ContainsSubstring("EXIT"));
  }
  const ProgramRun broken = run_program(command, "FLASHJIT_NVDISASM=/bin/false");
  CHECK(broken.exit_code == 1);
  CHECK_THAT(broken.err, ContainsSubstring("/bin/false"));
  for (const std::string program : {"/nope", "/tmp"}) {
    const ProgramRun absent = run_program(command, "FLASHJIT_NVDISASM=" + program);
    CHECK(absent.exit_code == 1);
    CHECK_THAT(absent.err, ContainsSubstring("FLASHJIT_NVDISASM=" + program + " cannot be run: "));
  }
}

TEST_CASE(
    "without NVRTC the plan and the source are still shown; PTX is an error that says what is "
    "missing") {
  const std::string without = "FLASHJIT_LIBNVRTC=/nonexistent.so";
  const std::string command = std::string("inspect ") + kMinimal + " --arch sm_80";
  const ProgramRun look = run_program(command + " --json", without);
  CHECK(look.exit_code == 0);
  CHECK(look.json().contains("smem_plan"));
  CHECK(look.json().contains("notes"));
  const ProgramRun ptx = run_program(command + " --ptx", without);
  CHECK(ptx.exit_code == 1);
  CHECK_THAT(ptx.err, ContainsSubstring("/nonexistent.so"));
}

TEST_CASE("inspect --json has each field of the config") {
  const nlohmann::json config =
      run_program("inspect fwd_sm90_bf16_d128_m128n128s2_static_staged --arch sm_90a --plan --json")
          .json()
          .at("config");
  CHECK(config.at("tiling").at("schedule") == "static");
  CHECK(config.at("tiling").at("epilogue") == "staged");
  for (const char* field : {"num_warps", "overlap", "cluster_size", "rescale", "num_q_stages"})
    CHECK(config.at("tiling").contains(field));
  CHECK(config.at("problem").at("head_dim_v") == 128);
}

TEST_CASE("the resources of edited kernel sources say so") {
  if (!machine_has("NVRTC")) return;
  const std::string tree = (source_dir() / "kernel_src").string();
  const std::string command = std::string("inspect ") + kMinimal + " --arch sm_90a --resources";
  CHECK_THAT(run_program(command, "FLASHJIT_KERNEL_DIR=" + tree).out, ContainsSubstring(tree));
  CHECK_THAT(run_program(command).out, !ContainsSubstring("kernel sources"));
}

TEST_CASE("a small region of the plan is a number without an exponent") {
  const std::string plan =
      run_program("inspect fwd_sm90_bf16_d128_m128n128s2 --arch sm_90a --plan").out;
  CHECK_THAT(plan, !ContainsSubstring("e-0"));
}

TEST_CASE("one problem without a legal tiling is counted in the singular") {
  const ProgramRun run =
      run_program("list --arch sm_80 --family sm90 --dtype bf16 --head-dim 64 --causal");
  CHECK_THAT(run.out, ContainsSubstring("1 problem has no legal tiling"));
}

TEST_CASE("a wrong argument is told before a missing driver") {
  const std::string without = "FLASHJIT_LIBCUDA=/nonexistent.so";
  const ProgramRun profile = run_program("profile nonsense --out /dev/null", without);
  CHECK(profile.exit_code == 2);
  CHECK_THAT(profile.err, ContainsSubstring("'nonsense'"));
  const ProgramRun preload = run_program("preload /nope", without);
  CHECK(preload.exit_code == 3);
  CHECK_THAT(preload.err, ContainsSubstring("/nope"));
}

// Not doctor: it quotes the environment, however long its values are.
TEST_CASE("the text output of the looking commands fits a terminal of 100 columns") {
  for (const std::string command : {"inspect fwd_simt_fp16_d64_m64n64 --arch sm_90a",
                                    "list --arch sm_90a",
                                    "analyze --formulas"}) {
    std::istringstream lines(run_program(command, "FLASHJIT_LIBNVRTC=/nonexistent.so").out);
    for (std::string line; std::getline(lines, line);) {
      const auto width =
          std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
      INFO(command << ": " << line);
      CHECK(width <= 100);
    }
  }
}

}  // namespace
}  // namespace flashjit::test
