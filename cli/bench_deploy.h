// `flashjit bench-preload` and `bench-start`: what a deployment waits for: many variants compiled
// by many threads, and a new process that finds them all in a bundle.
#pragma once

#include <filesystem>

#include "cli/program.h"
#include "cli/report.h"

namespace flashjit::cli {

struct DeployBench {
  int variants = 200;
  int alone = 40;   // of them, spread over all: what one thread compiles for comparison
  int threads = 0;  // 0: what the cores and the free memory allow
  int starts = 20;  // fresh processes
  int device = 0;
  std::filesystem::path out;  // file for the result; "": none
};

// The variants compiled and loaded into an empty cache by many threads, then some of them by one.
int bench_preload(const DeployBench& bench, Report& report);

// `flashjit bench-preload`, `flashjit bench-start` and, hidden, what a started process runs.
void add_bench_deploy(Program& program);

}  // namespace flashjit::cli
