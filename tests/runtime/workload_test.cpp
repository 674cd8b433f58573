#include "runtime/workload.h"

#include <fstream>
#include <sstream>
#include <thread>

#include "support/captured_log.h"
#include "support/catch.h"
#include "support/child_process.h"
#include "support/environment.h"
#include "support/temp_dir.h"

using namespace flashjit;
namespace fs = std::filesystem;

namespace {

const std::string kShort =
    R"({"dtype": "fp16", "head_dim_qk": 64, "num_heads_q": 4, "seqlen_q": 7})";

std::string read_text(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string complaint(const std::string& text) {
  try {
    parse_workload(text, "w.jsonl");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kData);
    return error.what();
  }
  return "";
}

WorkloadProblem parse_one(const std::string& line) {
  const auto problems = parse_workload(line, "w.jsonl");
  REQUIRE(problems.size() == 1);
  return problems[0];
}

KernelConfig config_for(const WorkloadProblem& item) {
  KernelConfig config;
  config.problem = item.problem;
  return config;
}

}  // namespace

TEST_CASE("a full line is read member by member") {
  const WorkloadProblem item =
      parse_one(R"({"dtype": "bf16", "head_dim_qk": 192, "head_dim_v": 128, "mask": "causal", )"
                R"("return_lse": true, "batch": 2, "num_heads_q": 32, "num_heads_kv": 8, )"
                R"("seqlen_q": 100, "seqlen_kv": 4096})");
  CHECK(item.problem.dtype == Dtype::kBf16);
  CHECK(item.problem.head_dim_qk == 192);
  CHECK(item.problem.head_dim_v == 128);
  CHECK(item.problem.mask == MaskKind::kCausal);
  CHECK(item.problem.return_lse);
  CHECK(item.shape.batch == 2);
  CHECK(item.shape.num_heads_q == 32);
  CHECK(item.shape.num_heads_kv == 8);
  CHECK(item.shape.seqlen_q == 100);
  CHECK(item.shape.seqlen_kv == 4096);
  CHECK(item.shape.diagonal == 3996);
}

TEST_CASE("what is left out has the documented default") {
  const WorkloadProblem item = parse_one(kShort);
  CHECK(item.problem == Problem{.dtype = Dtype::kFp16, .head_dim_qk = 64, .head_dim_v = 64});
  CHECK(item.shape.batch == 1);
  CHECK(item.shape.num_heads_kv == 4);
  CHECK(item.shape.seqlen_kv == 7);
}

TEST_CASE("a line written is a line read, for every combination") {
  const auto dtype = GENERATE(Dtype::kFp16, Dtype::kBf16, Dtype::kFp32);
  const auto mask = GENERATE(MaskKind::kNone, MaskKind::kCausal);
  const bool lse = GENERATE(false, true);
  const auto alignment = GENERATE(CausalAlignment::kBottomRight, CausalAlignment::kTopLeft);
  AttentionArgs args;
  args.q = bshd(nullptr, dtype, 2, 5, 6, 64);
  args.k = bshd(nullptr, dtype, 2, 9, 3, 64);
  args.v = bshd(nullptr, dtype, 2, 9, 3, 40);
  args.o = bshd(nullptr, dtype, 2, 5, 6, 40);
  args.causal = mask == MaskKind::kCausal;
  args.alignment = alignment;
  float out = 0;
  if (lse) args.lse = &out;
  const ValidatedProblem valid = validate(args, false);
  const WorkloadProblem item = parse_one(workload_line(valid.problem, valid.shape));
  CHECK(item.problem == valid.problem);
  CHECK(item.shape == valid.shape);
  const ValidatedProblem again = validate(workload_args(item.problem, item.shape), false);
  CHECK(again.problem == valid.problem);
  CHECK(again.shape == valid.shape);
}

TEST_CASE("comments, empty lines, line ends and repetitions are no problems of their own") {
  const std::string other = R"({"dtype":"fp32","head_dim_qk":8,"num_heads_q":1,"seqlen_q":1})";
  const auto problems =
      parse_workload("# by hand\n\n" + kShort + "\r\n  " + kShort + "\n" + other, "w.jsonl");
  REQUIRE(problems.size() == 2);
  CHECK(problems[0].line == 3);
  CHECK(problems[1].line == 5);
  CHECK(problems[1].problem.dtype == Dtype::kFp32);
  CHECK(parse_workload("", "w.jsonl").empty());
}

TEST_CASE("a bad line is named with file, line and reason") {
  const auto [line, reason] = GENERATE(table<std::string, std::string>({
      {"{", "not JSON"},
      {"7", "expected an object"},
      {"{}", "'dtype' is missing"},
      {R"({"dtype":"fp8","head_dim_qk":64,"num_heads_q":4,"seqlen_q":7})", "fp16, bf16 or fp32"},
      {R"({"dtype":"fp16","num_heads_q":4,"seqlen_q":7})", "'head_dim_qk' is missing"},
      {R"({"dtype":"fp16","head_dim_qk":12,"num_heads_q":4,"seqlen_q":7})", "head_dim"},
      {R"({"dtype":"fp16","head_dim_qk":264,"num_heads_q":4,"seqlen_q":7})", "head_dim"},
      {R"({"dtype":"fp16","head_dim_qk":64,"num_heads_q":4,"num_heads_kv":3,"seqlen_q":7})",
       "heads"},
      {R"({"dtype":"fp16","head_dim_qk":64,"num_heads_q":4,"seqlen_q":-7})", "seqlen_q"},
      {R"({"dtype":"fp16","head_dim_qk":64,"num_heads_q":4,"seqlen_q":1e9})", "seqlen_q"},
      {R"({"dtype":"fp16","head_dim_qk":64,"num_heads_q":4,"seqlen_q":7,"mask":"x"})", "mask"},
      {R"({"dtype":"fp16","head_dim_qk":64,"num_heads_q":4,"seqlen_q":7,"seqlen":9})",
       "unknown member"},
      {R"({"dtype":"fp16","head_dim_qk":64,"num_heads_q":4,"seqlen_q":7,"alignment":"left"})",
       "alignment"},
  }));
  CAPTURE(line);
  const std::string message = complaint(kShort + "\n" + line + "\n" + kShort);
  CHECK(message.rfind("w.jsonl:2: ", 0) == 0);
  CHECK_THAT(message, ContainsSubstring(reason));
}

TEST_CASE("the largest sizes that JSON can hold overflow nothing") {
  const std::string message =
      complaint(R"({"dtype":"fp16","head_dim_qk":4096,"num_heads_q":1048576,"seqlen_q":2147483647,)"
                R"("batch":2147483647})");
  CHECK(message.rfind("w.jsonl:1: ", 0) == 0);
}

TEST_CASE("a workload file is read whole or not at all") {
  test::TempDir dir;
  std::ofstream(dir / "good.jsonl") << kShort << "\n";
  CHECK(read_workload(dir / "good.jsonl").size() == 1);
  std::ofstream(dir / "empty.jsonl") << "# nothing\n";
  CHECK_THROWS_AS(read_workload(dir / "empty.jsonl"), Error);
  CHECK_THROWS_WITH(read_workload(dir / "none.jsonl"), ContainsSubstring("none.jsonl"));
  CHECK_THROWS_AS(read_workload(dir.path()), Error);
}

TEST_CASE("the recorder writes each distinct problem once, also across programs") {
  test::TempDir dir;
  test::CapturedLog log;
  const WorkloadProblem a = parse_one(kShort);
  WorkloadProblem near = a, far = a, other = a;
  near.shape.seqlen_q = near.shape.seqlen_kv = 8;  // the bucket of 7
  far.shape.seqlen_q = far.shape.seqlen_kv = 9;
  other.problem.return_lse = true;
  for (int program = 0; program < 2; ++program) {
    WorkloadRecorder recorder(dir / "w.jsonl", log.logger);
    for (int repeat = 0; repeat < 3; ++repeat) {
      for (const WorkloadProblem& item : {a, near, far, other}) {
        recorder.record(config_for(item), item.shape);
      }
    }
  }
  const auto problems = read_workload(dir / "w.jsonl");
  REQUIRE(problems.size() == 3);
  CHECK(problems[0].shape == a.shape);
  CHECK(problems[1].shape.seqlen_q == 9);
  CHECK(problems[2].problem.return_lse);
  CHECK(read_text(dir / "w.jsonl").find(workload_line(a.problem, a.shape) + "\n") == 0);
  CHECK(log.lines() == 0);
}

TEST_CASE("one bucket with two variants is two problems") {
  test::TempDir dir;
  test::CapturedLog log;
  WorkloadRecorder recorder(dir / "w.jsonl", log.logger);
  WorkloadProblem item = parse_one(kShort);
  KernelConfig config = config_for(item);
  recorder.record(config, item.shape);
  config.tiling.block_m = 128;
  item.shape.seqlen_q = item.shape.seqlen_kv = 8;
  recorder.record(config, item.shape);
  CHECK(read_workload(dir / "w.jsonl").size() == 2);
}

TEST_CASE("processes and threads that share a workload file do not mix lines") {
  test::TempDir dir;
  std::vector<pid_t> children;
  for (int child = 0; child < 8; ++child) {
    children.push_back(test::start_child([&, child] {
      test::CapturedLog log;
      WorkloadRecorder recorder(dir / "w.jsonl", log.logger);
      const auto work = [&](int thread) {
        for (int heads = 1; heads <= 20; ++heads) {
          WorkloadProblem item = parse_one(kShort);
          item.shape.num_heads_q = item.shape.num_heads_kv = heads;
          item.shape.num_heads_q *= 1 + 2 * child + thread;
          recorder.record(config_for(item), item.shape);
        }
      };
      std::thread other(work, 1);
      work(0);
      other.join();
      return log.lines();
    }));
  }
  for (const pid_t child : children) CHECK(test::wait_child(child) == 0);
  // 16 values of heads_per_kv, and the powers of two of batch · heads that each meets.
  CHECK(read_workload(dir / "w.jsonl").size() >= 16 * 5);
}

TEST_CASE("a workload file that cannot be written costs one warning") {
  test::CapturedLog log;
  WorkloadRecorder recorder("/proc/no/such/file", log.logger);
  WorkloadProblem item = parse_one(kShort);
  for (int i = 0; i < 3; ++i) {
    item.shape.seqlen_q = item.shape.seqlen_kv = 1 << i;
    recorder.record(config_for(item), item.shape);
  }
  CHECK(log.lines() == 1);
  CHECK_THAT(log.text.str(), ContainsSubstring("/proc/no/such/file"));
}

TEST_CASE("FLASHJIT_RECORD captures what a program computed") {
  test::TempDir dir;
  test::ScopedEnvironment environment;
  environment.set("FLASHJIT_RECORD", (dir / "w.jsonl").string());
  Options options;
  options.backend = Backend::kCpu;
  Runtime runtime(options);
  const WorkloadProblem item = parse_one(kShort);
  std::vector<std::uint16_t> memory(7 * 4 * 64), out(memory.size());
  AttentionArgs args = workload_args(item.problem, item.shape);
  args.q.data = args.k.data = args.v.data = memory.data();
  args.o.data = out.data();
  runtime.forward(args);
  runtime.forward(args);
  const auto problems = read_workload(dir / "w.jsonl");
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].problem == item.problem);
  CHECK(problems[0].shape == item.shape);
}
