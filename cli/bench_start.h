// The part of `flashjit bench --host` that needs fresh processes: what the start of a program costs
// when the cache directory holds its variant. The program runs itself, again and again.
#pragma once

#include <string>

#include "cli/attention_problem.h"
#include "cli/report.h"

namespace flashjit::cli {

// What one such process does before it ends.
//   context  driver and context, nothing else: what every CUDA program pays
//   forward  a Runtime, which makes the context, and the first forward
//   live     the same, in a process that has the context already
//   steps    the parts of a disk hit one by one, with the context alive
struct StartTask {
  std::string kind;
  AttentionProblem problem;
  int device = 0;
  std::string cache_dir;  // holds the variant
};

// The process's half: does it once and reports its milliseconds.
int run_start(const StartTask& task, Report& report);

// The parent's half: medians over several processes of each kind, interleaved.
void bench_starts(const StartTask& task, Report& report);

}  // namespace flashjit::cli
