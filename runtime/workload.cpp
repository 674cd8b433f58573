#include "workload.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <limits>
#include <system_error>

#include "json_reader.h"
#include "tuning_record.h"
#include "variant_name.h"

namespace flashjit {
namespace {

// A million distinct problems; a larger file is another kind of file.
constexpr std::size_t kMaxFileBytes = 256u << 20;

// Generous, and so that the strides of a dense tensor fit 64 bits: 2^31 · 2^20 · 2^12.
constexpr int kMaxSize = std::numeric_limits<int>::max(), kMaxHeads = 1 << 20,
              kMaxHeadDim = 1 << 12;

AttentionArgs make_args(const Problem& problem, const ProblemShape& shape, bool top_left) {
  const auto view = [&](int seqlen, int heads, int head_dim) {
    return bshd(nullptr, problem.dtype, shape.batch, seqlen, heads, head_dim);
  };
  AttentionArgs args;
  args.q = view(shape.seqlen_q, shape.num_heads_q, problem.head_dim_qk);
  args.k = view(shape.seqlen_kv, shape.num_heads_kv, problem.head_dim_qk);
  args.v = view(shape.seqlen_kv, shape.num_heads_kv, problem.head_dim_v);
  args.o = view(shape.seqlen_q, shape.num_heads_q, problem.head_dim_v);
  args.causal = problem.mask == MaskKind::kCausal;
  args.alignment = top_left ? CausalAlignment::kTopLeft : CausalAlignment::kBottomRight;
  // Only its being there matters; validate() wants it aligned and nobody reads it.
  if (problem.return_lse) args.lse = reinterpret_cast<float*>(std::uintptr_t{256});
  return args;
}

bool is_top_left(const Problem& problem, const ProblemShape& shape) {
  return problem.mask == MaskKind::kCausal && shape.diagonal == 0 &&
         shape.seqlen_q != shape.seqlen_kv;
}

WorkloadProblem parse_line(std::string_view text, const std::string& where) {
  const nlohmann::json json = parse_json(text, where);
  JsonReader reader(json, where);
  Problem problem;
  ProblemShape shape;
  const std::string dtype = reader.text("dtype");
  if (const auto parsed = parse_dtype(dtype)) {
    problem.dtype = *parsed;
  } else {
    reader.fail("'dtype' is fp16, bf16 or fp32, not '" + dtype.substr(0, 20) + "'");
  }
  problem.head_dim_qk = reader.count("head_dim_qk", kMaxHeadDim);
  problem.head_dim_v = reader.count("head_dim_v", kMaxHeadDim, problem.head_dim_qk);
  const std::string mask = reader.text("mask", "none");
  if (mask != "none" && mask != "causal") reader.fail("'mask' is none or causal");
  problem.mask = mask == "causal" ? MaskKind::kCausal : MaskKind::kNone;
  problem.return_lse = reader.boolean("return_lse", false);
  shape.batch = reader.count("batch", kMaxSize, 1);
  shape.num_heads_q = reader.count("num_heads_q", kMaxHeads);
  shape.num_heads_kv = reader.count("num_heads_kv", kMaxHeads, shape.num_heads_q);
  shape.seqlen_q = reader.count("seqlen_q", kMaxSize);
  shape.seqlen_kv = reader.count("seqlen_kv", kMaxSize, shape.seqlen_q);
  const std::string alignment = reader.text("alignment", "bottom_right");
  if (alignment != "bottom_right" && alignment != "top_left") {
    reader.fail("'alignment' is bottom_right or top_left");
  }
  reader.reject_others();
  try {
    // The rules of forward() itself, so that what passes here can run.
    const auto valid = validate(make_args(problem, shape, alignment == "top_left"), false);
    return {valid.problem, valid.shape};
  } catch (const Error& error) {
    reader.fail(error.what());
  }
}

}  // namespace

std::vector<WorkloadProblem> parse_workload(std::string_view text, const std::string& name) {
  std::vector<WorkloadProblem> problems;
  std::set<std::string> seen;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos || line[begin] == '#') continue;
    WorkloadProblem problem = parse_line(line, name + ":" + std::to_string(number));
    problem.line = number;
    if (seen.insert(workload_line(problem.problem, problem.shape)).second) {
      problems.push_back(problem);
    }
  }
  return problems;
}

std::vector<WorkloadProblem> read_workload(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_file(path, kMaxFileBytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<WorkloadProblem> problems = parse_workload(text, path.string());
  if (problems.empty()) throw Error(ErrorCode::kData, path.string() + ": no problem in it");
  return problems;
}

std::string workload_line(const Problem& problem, const ProblemShape& shape) {
  return fmt::format(
      R"({{"dtype": "{}", "head_dim_qk": {}, "head_dim_v": {}, "mask": "{}", "return_lse": {}, )"
      R"("batch": {}, "num_heads_q": {}, "num_heads_kv": {}, "seqlen_q": {}, "seqlen_kv": {}{}}})",
      to_string(problem.dtype),
      problem.head_dim_qk,
      problem.head_dim_v,
      problem.mask == MaskKind::kCausal ? "causal" : "none",
      problem.return_lse,
      shape.batch,
      shape.num_heads_q,
      shape.num_heads_kv,
      shape.seqlen_q,
      shape.seqlen_kv,
      is_top_left(problem, shape) ? R"(, "alignment": "top_left")" : "");
}

AttentionArgs workload_args(const Problem& problem, const ProblemShape& shape) {
  return make_args(problem, shape, is_top_left(problem, shape));
}

WorkloadRecorder::WorkloadRecorder(std::filesystem::path file,
                                   std::shared_ptr<spdlog::logger> logger)
    : file_(std::move(file)), logger_(std::move(logger)) {}

void WorkloadRecorder::record(const KernelConfig& config, const ProblemShape& shape) {
  const ShapeBucket bucket = shape_bucket(shape);
  const std::string key = fmt::format("{} {} {} {} {} {} {}",
                                      variant_name(config),
                                      arch_name(config.arch),
                                      bucket.seqlen_q,
                                      bucket.seqlen_kv,
                                      bucket.batch_heads,
                                      bucket.heads_per_kv,
                                      is_top_left(config.problem, shape));
  const std::lock_guard lock(mutex_);
  if (failed_ || !seen_.insert(key).second) return;
  try {
    append(workload_line(config.problem, shape));
  } catch (const Error& error) {
    failed_ = true;
    logger_->warn("workload capture stops: {}", error.what());
  }
}

void WorkloadRecorder::append(const std::string& line) {
  if (!opened_) {
    opened_ = true;
    // Other processes may append while this one reads: their lines come in one write each, so what
    // is there is whole, and a line that is missed here is only written twice.
    std::ifstream file(file_);
    for (std::string known; std::getline(file, known);) lines_.insert(known);
  }
  if (!lines_.insert(line).second) return;
  const UniqueFd fd(::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd) throw_io("cannot open " + file_.string(), errno);
  // One write: lines of several processes do not mix.
  const std::string text = line + "\n";
  const ssize_t written = ::write(fd.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    throw_io("cannot write " + file_.string(), written < 0 ? errno : ENOSPC);
  }
}

}  // namespace flashjit
