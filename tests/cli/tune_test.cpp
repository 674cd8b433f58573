// `flashjit tune` where there is no GPU: what it plans, what it refuses, and what it does with
// records.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "autotune/tuning_run.h"
#include "cli/problem_sets.h"
#include "cli/run_program.h"
#include "cli/tune.h"
#include "flashjit/error.h"
#include "support/catch.h"
#include "support/child_process.h"
#include "support/temp_dir.h"
#include "tuning_record_files.h"

namespace flashjit::test {
namespace {

constexpr const char* kNoGpu = "FLASHJIT_LIBCUDA=/nonexistent.so FLASHJIT_LIBNVRTC=/nonexistent.so";

TEST_CASE("sets of problems: grid, presets, a workload, flags") {
  const auto problems = [](const std::string& flags) {
    const ProgramRun run =
        run_program("tune --dry-run --arch sm_90a --limit 1 --json " + flags, kNoGpu);
    REQUIRE(run.exit_code == 0);
    return run.json().at("problems").size();
  };
  CHECK(problems("") == 1);
  CHECK(problems("--grid") == 36);
  for (const std::string preset : {"llm", "vit", "decode", "sample"}) {
    CHECK(problems("--preset " + preset) == cli::preset_problems(preset, Dtype::kBf16).size());
  }
  const TempDir directory;
  const std::string workload = directory / "workload.jsonl";
  std::ofstream(workload)
      << R"({"dtype": "fp16", "head_dim_qk": 64, "num_heads_q": 4, "seqlen_q": 128})"
      << "\n"
      << R"({"dtype": "bf16", "head_dim_qk": 96, "num_heads_q": 4, "seqlen_q": 7})";
  CHECK(problems("--workload " + workload) == 2);
  CHECK(run_program("tune --dry-run --grid --preset llm", kNoGpu).exit_code == 2);
  CHECK(run_program("tune --dry-run --preset gpt", kNoGpu).exit_code == 2);
  CHECK(run_program("tune --dry-run --workload /nonexistent", kNoGpu).exit_code == 3);
}

TEST_CASE("the presets are what they are called") {
  for (const cli::AttentionProblem& p : cli::preset_problems("decode", Dtype::kFp16)) {
    CHECK(p.seqlen_q == 1);
    CHECK(p.num_heads_kv < p.num_heads_q);
    CHECK(p.dtype == Dtype::kFp16);
  }
  for (const cli::AttentionProblem& p : cli::preset_problems("vit", Dtype::kBf16)) {
    CHECK_FALSE(p.causal);
    CHECK(p.seqlen_q == p.seqlen_kv);
  }
  for (const cli::AttentionProblem& p : cli::preset_problems("llm", Dtype::kBf16)) CHECK(p.causal);
  std::set<int> lengths, rows;
  for (const cli::AttentionProblem& p : cli::preset_problems("sample", Dtype::kBf16)) {
    lengths.insert(p.seqlen_q);
    rows.insert(p.head_dim * 2 + p.causal);
  }
  CHECK(rows.size() == 6);
  CHECK(lengths.size() == 6);
  CHECK_THROWS_AS(cli::preset_problems("gpt", Dtype::kBf16), Error);
}

TEST_CASE("an option that another one would ignore is wrong usage, and both are named") {
  const auto [flags, first, second] = GENERATE(table<std::string, std::string, std::string>(
      {{"--grid --head-dim 64", "--head-dim", "--grid"},
       {"--preset llm --causal", "--causal", "--preset"},
       {"--workload x --dtype fp16", "--dtype", "--workload"},
       {"--export x --seqlen 512", "--seqlen", "--export"},
       {"--compare a b --grid", "--compare", "--grid"},
       {"--dry-run --export x", "--dry-run", "--export"},
       {"--dry-run --compare a b", "--dry-run", "--compare"},
       {"--dry-run --device 1", "--dry-run", "--device"},
       {"--export x --report y", "--export", "--report"},
       {"--export x --again", "--export", "--again"},
       {"--export x --isolate", "--export", "--isolate"},
       {"--export x --seconds 3", "--export", "--seconds"},
       {"--export x --dtype fp16", "--export", "--dtype"},
       {"--export x --device 1", "--export", "--device"},
       {"--export x --family sm80", "--export", "--family"},
       {"--compare a b --isolate", "--compare", "--isolate"},
       {"--compare a b --again", "--compare", "--again"},
       {"--compare a b --seconds 3", "--compare", "--seconds"},
       {"--compare a b --out c", "--compare", "--out"},
       {"--arch sm_90a", "--arch", "--dry-run"},
       {"--limit 3", "--limit", "--dry-run"}}));
  const ProgramRun run = run_program("tune " + flags, kNoGpu);
  CHECK(run.exit_code == 2);
  CHECK_THAT(run.err, ContainsSubstring(first));
  CHECK_THAT(run.err, ContainsSubstring(second));
  CHECK(run_program("tune --dry-run --limit 1 --grid --dtype fp16", kNoGpu).exit_code == 0);
  // With problems to tune first, --export is no mode of its own.
  const ProgramRun both =
      run_program("tune --grid --again --seconds 9 --export /dev/null --report /dev/null", kNoGpu);
  CHECK(both.exit_code == 1);
  CHECK_THAT(both.err, ContainsSubstring("needs a GPU"));
}

TEST_CASE("a number of seconds that is none is refused in words") {
  const ProgramRun run = run_program("tune --seconds 0", kNoGpu);
  CHECK(run.exit_code == 2);
  CHECK_THAT(run.err, ContainsSubstring("0 must be a number that is more than 0"));
  CHECK(run.err.size() < 200);
}

TEST_CASE("files that tune is to write are looked at before it opens a GPU") {
  const std::string flag = GENERATE("--report", "--export");
  const ProgramRun run = run_program("tune --grid " + flag + " /dev/null/file", kNoGpu);
  CHECK(run.exit_code == 3);
  CHECK_THAT(run.err, ContainsSubstring("/dev/null/file"));
}

TEST_CASE("a directory that can take no records is found before tune opens a GPU") {
  const TempDir directory;
  const std::string file = directory / "records";
  std::ofstream(file) << "a file";
  const ProgramRun run = run_program("tune --grid --out " + file, kNoGpu);
  CHECK(run.exit_code == 3);
  CHECK_THAT(run.err, ContainsSubstring("tuning records cannot go to " + file));
}

TEST_CASE("without a GPU tune says what it needs and what can be done instead") {
  const ProgramRun run = run_program("tune --grid", kNoGpu);
  CHECK(run.exit_code == 1);
  for (const char* text :
       {"GPU", "/nonexistent.so", "tune --dry-run", "flashjit build", "flashjit report"})
    CHECK_THAT(run.err, ContainsSubstring(text));
  const ProgramRun nowhere = run_program("tune --grid", "FLASHJIT_CACHE_DIR=off");
  CHECK(nowhere.exit_code == 2);
  CHECK_THAT(nowhere.err, ContainsSubstring("--out"));
}

TuningRecord some_record(int seqlen, bool complete) {
  TuningRecord record;
  record.device.name = "made up";
  record.arch = {9, 0, true};
  record.problem.dtype = Dtype::kBf16;
  record.shape.batch = 1;
  record.shape.num_heads_q = record.shape.num_heads_kv = 16;
  record.shape.seqlen_q = record.shape.seqlen_kv = seqlen;
  record.bucket = shape_bucket(record.shape);
  record.winner.block_n = 96;
  record.winner_us = 10;
  record.default_us = 11;
  record.complete = complete;
  record.candidates = {{record.winner, 10, 0.1, ""},
                       {Tiling{}, 11, 0.1, ""},
                       {Tiling{.block_n = 32}, 12, 0.1, ""},
                       {Tiling{.block_n = 16}, 0, 0, "failed"}};
  return record;
}

TEST_CASE("tune --export writes the complete records as one file, with their evidence") {
  const TempDir directory;
  write_record(directory / "records", some_record(512, true));
  write_record(directory / "records", some_record(1024, true));
  write_record(directory / "records", some_record(2048, false));
  const std::string file = directory / "all.json";
  const std::string from = " --out " + (directory / "records").string();
  REQUIRE(run_program("tune --export " + file + from, kNoGpu).exit_code == 0);
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  const std::vector<TuningRecord> records = parse_tuning_records(text.str());
  REQUIRE(records.size() == 2);
  for (const TuningRecord& r : records) {
    REQUIRE(r.candidates.size() == 4);  // one of each tile, and of each failure
    CHECK(r.candidates[0].tiling == r.winner);
    CHECK(r.candidates[1].time_us == r.default_us);
    CHECK(r.candidates[3].error == "failed");
  }
  const ProgramRun none =
      run_program("tune --export " + file + " --out " + (directory / "none").string(), kNoGpu);
  CHECK(none.exit_code == 3);
}

TEST_CASE("after a search --export asks the directory, not the outcomes") {
  const TempDir directory;
  cli::TuneOptions options;
  options.export_file = directory / "all.json";
  cli::Report report(true);
  TuningOutcome outcome;
  // Its record is the library's own.
  outcome.state = TuningState::kPresent;
  outcome.record = some_record(512, true);
  cli::write_tuning_files(options, directory / "none", {outcome}, report);
  CHECK_FALSE(std::filesystem::exists(options.export_file));
  write_record(directory / "records", some_record(1024, false));
  cli::write_tuning_files(options, directory / "records", {outcome}, report);
  CHECK_FALSE(std::filesystem::exists(options.export_file));

  write_record(directory / "records", some_record(2048, true));
  outcome.state = TuningState::kFailed;
  cli::write_tuning_files(options, directory / "records", {outcome}, report);
  REQUIRE(std::filesystem::exists(options.export_file));
  std::ostringstream text;
  text << std::ifstream(options.export_file).rdbuf();
  const std::vector<TuningRecord> records = parse_tuning_records(text.str());
  REQUIRE(records.size() == 1);
  CHECK(records[0].shape.seqlen_q == 2048);
}

TEST_CASE("a search that fails exports the records that there are") {
  const TempDir directory;
  const std::string records = directory / "records", file = directory / "all.json";
  write_record(records, some_record(512, true));
  const std::string workload = directory / "workload.jsonl";
  std::ofstream(workload)
      << R"({"dtype": "fp16", "head_dim_qk": 64, "num_heads_q": 4, "seqlen_q": 128})";
  const ProgramRun run =
      run_program("tune --workload " + workload + " --out " + records + " --export " + file,
                  "FLASHJIT_LIBNVRTC=/nonexistent.so FLASHJIT_LIBCUDA=" FLASHJIT_FAKE_CUDA);
  CHECK(run.exit_code == 1);
  CHECK_THAT(run.out, ContainsSubstring("1 records written"));
  CHECK(std::filesystem::exists(file));
}

TEST_CASE("a worker of tune ends with its parent, whatever it waits for") {
  const TempDir directory;
  const std::string driver = directory / "libcuda.so";
  REQUIRE(::mkfifo(driver.c_str(), 0600) == 0);  // who opens it waits for a writer, then for bytes
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const pid_t pid = start_child([&] {
    ::dup2(ends[1], STDIN_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    ::setenv("FLASHJIT_LIBCUDA", driver.c_str(), 1);
    ::alarm(30);  // where it does not end
    ::execl(FLASHJIT_PROGRAM, "flashjit", "tune-worker", nullptr);
    return 2;
  });
  ::close(ends[1]);
  const std::string problem =
      R"({"dtype": "bf16", "head_dim_qk": 64, "num_heads_q": 4, "seqlen_q": 128})"
      "\n";
  REQUIRE(::write(ends[0], problem.data(), problem.size()) > 0);
  int bytes = -1;
  for (int i = 0; i < 1000 && bytes < 0; ++i) {
    bytes = ::open(driver.c_str(), O_WRONLY | O_NONBLOCK);
    if (bytes < 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(bytes >= 0);  // it opens its driver
  ::close(ends[0]);
  CHECK(wait_child(pid) == 1);
  ::close(bytes);
}

TEST_CASE("tune --compare needs two sets with something in common, then a GPU") {
  const TempDir directory;
  const std::string a = directory / "a", b = directory / "b", c = directory / "c";
  write_record(a, some_record(512, true));
  write_record(b, some_record(512, true));
  write_record(c, some_record(1024, true));
  CHECK(run_program("tune --compare " + a, kNoGpu).exit_code == 2);
  const ProgramRun nothing = run_program("tune --compare " + a + " " + directory.path().string());
  CHECK(nothing.exit_code == 3);
  const ProgramRun disjoint = run_program("tune --compare " + a + " " + c, kNoGpu);
  CHECK(disjoint.exit_code == 3);
  CHECK_THAT(disjoint.err, ContainsSubstring("in common"));
  CHECK(run_program("tune --compare " + a + " " + b, kNoGpu).exit_code == 1);
}

TEST_CASE(
    "tune --compare names what does not exist, the first one first, and devices that differ") {
  const ProgramRun missing = run_program("tune --compare /nope /nope2", kNoGpu);
  CHECK(missing.exit_code == 3);
  CHECK_THAT(missing.err, ContainsSubstring("/nope does not exist"));
  const TempDir directory;
  const std::string a = directory / "a", b = directory / "b";
  TuningRecord other = some_record(512, true);
  other.device.name = "another";
  write_record(a, some_record(512, true));
  write_record(b, other);
  const ProgramRun differ = run_program("tune --compare " + a + " " + b, kNoGpu);
  CHECK(differ.exit_code == 3);
  CHECK_THAT(differ.err,
             ContainsSubstring("devices differ") && ContainsSubstring("made up") &&
                 ContainsSubstring("another"));
}

TEST_CASE("bench --tuned-grid asks for records before it asks for a GPU") {
  const ProgramRun run = run_program("bench --tuned-grid --records /nonexistent", kNoGpu);
  CHECK(run.exit_code == 3);
  CHECK_THAT(run.err, ContainsSubstring("no tuning record"));
  CHECK(run_program("bench --tuned-grid", kNoGpu).exit_code == 1);
}

}  // namespace
}  // namespace flashjit::test
