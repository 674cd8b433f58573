// The workload file: what a program computes, one problem with its shape per line, as JSON.
// FLASHJIT_RECORD writes it; preload, build, export and tune read it; people edit it.
//
//   {"dtype": "bf16", "head_dim_qk": 128, "head_dim_v": 128, "mask": "causal", "return_lse": false,
//    "batch": 2, "num_heads_q": 32, "num_heads_kv": 8, "seqlen_q": 4096, "seqlen_kv": 4096}
//
// (on one line). May be missing: head_dim_v (= head_dim_qk), mask ("none"), return_lse (false),
// batch (1), num_heads_kv (= num_heads_q), seqlen_kv (= seqlen_q), and alignment, "top_left" or
// "bottom_right" (the default). Empty lines and lines that begin with # are skipped.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "posix_file.h"
#include "problem.h"

namespace spdlog {
class logger;
}

namespace flashjit {

struct WorkloadProblem {
  Problem problem;
  ProblemShape shape;  // dense BSHD, the default softmax scale
  int line = 0;        // where it stands first, from 1
};

// The distinct problems in order of appearance. Throws Error(kData) "name:line: what is wrong" for
// the first line that is malformed or illegal.
std::vector<WorkloadProblem> parse_workload(std::string_view text, const std::string& name);

// The same of a file. Throws Error(kIo) too; kData also when there is no problem in it.
std::vector<WorkloadProblem> read_workload(const std::filesystem::path& path);

// One line without its end. parse_workload() returns the same problem and shape.
std::string workload_line(const Problem& problem, const ProblemShape& shape);

// Arguments for Runtime::prepare: dense BSHD, no data. `lse`, where it is wanted, points nowhere.
AttentionArgs workload_args(const Problem& problem, const ProblemShape& shape);

// Appends what a program used to a workload file; several processes may share the file. Two calls
// with one variant whose shapes round to the same powers of two count as one problem: otherwise a
// program that decodes would write a line per token. Thread-safe; never throws for the state of the
// disk: it warns once and stops.
class WorkloadRecorder {
 public:
  WorkloadRecorder(std::filesystem::path file, std::shared_ptr<spdlog::logger> logger);

  void record(const KernelConfig& config, const ProblemShape& shape);

 private:
  void append(const std::string& line);

  std::filesystem::path file_;
  std::shared_ptr<spdlog::logger> logger_;
  std::mutex mutex_;
  bool opened_ = false, failed_ = false;
  std::set<std::string> seen_;   // bucket and variant
  std::set<std::string> lines_;  // in the file, as far as this process knows
};

}  // namespace flashjit
