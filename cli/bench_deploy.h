// `flashjit bench-preload` and `bench-start`: what a deployment waits for: many variants compiled
// by many threads, and a new process that finds them all in a bundle.
#pragma once

#include "cli/program.h"
#include "cli/report.h"

namespace flashjit::cli {

struct DeployBench {
  int variants = 200;
  int threads = 0;  // 0: what the cores and the free memory allow
  int starts = 20;  // fresh processes
  int device = 0;
};

// The same variants compiled and loaded into an empty cache by one thread, then by many.
int bench_preload(const DeployBench& bench, Report& report);

// A bundle of that many variants is built; then fresh processes start with it offline, and each
// tells how long it took from the end of the context's creation to its first launch.
int bench_start(const DeployBench& bench, Report& report);

// `flashjit bench-preload`, `flashjit bench-start` and, hidden, what a started process runs.
void add_bench_deploy(Program& program);

}  // namespace flashjit::cli
