// The main job on a machine without a GPU: the demo's own judgement must hold, and must be able to
// fail.
#include <cstring>
#include <fstream>
#include <iterator>

#include "cli/run_program.h"
#include "support/catch.h"
#include "support/paths.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

const std::string kLayers = source_dir() / "tests/data/minilm_attention.safetensors";
const std::string kNoCompiler = "FLASHJIT_LIBNVRTC=/nonexistent.so";

std::string read_layers() {
  std::ifstream file(kLayers, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Runs the demo on a file with this content.
ProgramRun run_on(const std::string& content) {
  const TempDir directory;
  const auto path = directory.path() / "layers.safetensors";
  std::ofstream(path, std::ios::binary) << content;
  return run_program("demo --backend cpu --json --data " + path.string(), kNoCompiler);
}

TEST_CASE("the demo runs every layer within its bound") {
  const ProgramRun run = run_program("demo --backend cpu --json");
  REQUIRE(run.exit_code == 0);
  const nlohmann::json document = run.json();
  CHECK(document.at("within_bounds") == true);
  CHECK(document.at("first").size() == 3);
  REQUIRE(document.at("layers").size() == 6);
  for (const nlohmann::json& layer : document.at("layers")) {
    CHECK(layer.at("max_error") <= layer.at("max_bound"));
    CHECK(layer.at("max_bound") < 0.05);
    CHECK(layer.at("time_us") > 0);
  }
  if (machine_has("NVRTC")) {
    CHECK(document.at("gpu_variants").size() >= 3);
    for (const nlohmann::json& variant : document.at("gpu_variants"))
      CHECK(variant.at("registers") > 15);
  }
}

TEST_CASE("a model output that differs makes the demo fail with 1") {
  std::string content = read_layers();
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, content.data(), sizeof header_bytes);
  const nlohmann::json header = nlohmann::json::parse(content.substr(8, header_bytes));
  const auto [begin, end] =
      header.at("layer3.o").at("data_offsets").get<std::pair<std::size_t, std::size_t>>();
  for (std::size_t i = 8 + header_bytes + begin + 1; i < 8 + header_bytes + end; i += 2) {
    content[i] ^= '\x80';  // the sign: O becomes −O
  }
  const ProgramRun run = run_on(content);
  CHECK(run.exit_code == 1);
  CHECK(run.json().at("within_bounds") == false);
}

TEST_CASE("a file that is missing, truncated or something else exits with 3 and is named") {
  const ProgramRun missing =
      run_program("demo --backend cpu --data /nonexistent/file", kNoCompiler);
  CHECK(missing.exit_code == 3);
  CHECK_THAT(missing.err, ContainsSubstring("/nonexistent/file"));
  CHECK(run_on(read_layers().substr(0, 100'000)).exit_code == 3);
  CHECK(run_on("not safetensors at all").exit_code == 3);
}

TEST_CASE("bench without a driver fails with 1 and says what is missing") {
  const ProgramRun run = run_program("bench", "FLASHJIT_LIBCUDA=/nonexistent/libcuda.so");
  CHECK(run.exit_code == 1);
  CHECK_THAT(run.err, ContainsSubstring("libcuda"));
}

TEST_CASE("analyze gives the formulas") {
  const ProgramRun run = run_program(
      "analyze --formulas --json --seqlen 1024 --head-dim 64 --heads 2 --batch 3 --dtype fp16");
  REQUIRE(run.exit_code == 0);
  const nlohmann::json f = run.json().at("formulas");
  CHECK(f.at("flops") == Approx(4.0 * 1024 * 1024 * 64 * 6));
  CHECK(f.at("standard_bytes") == Approx(2.0 * 6 * 1024 * (3 * 64 + 2 * 1024)));
  CHECK(f.at("flash_bytes") == Approx(2.0 * 6 * 4 * 1024 * 64));
  const nlohmann::json sweep = run.json().at("sweep");
  REQUIRE(sweep.size() == 5);
  for (std::size_t i = 1; i < sweep.size(); ++i) {
    CHECK(sweep[i].at("flash_mib") == Approx(2 * sweep[i - 1].at("flash_mib").get<double>()));
    CHECK(sweep[i].at("standard_mib") > 2 * sweep[i - 1].at("standard_mib").get<double>());
  }
}

TEST_CASE("analyze without a GPU measures the CPU backend and says so") {
  const ProgramRun run = run_program("analyze --json --seqlen 128 --heads 1",
                                     "FLASHJIT_LIBCUDA=/nonexistent/libcuda.so");
  REQUIRE(run.exit_code == 0);
  CHECK(run.json().at("measured").at(0).at("kernel") == "cpu");
  CHECK(run.json().at("measured").at(0).at("tflops") > 0);
}

}  // namespace
}  // namespace flashjit::test
