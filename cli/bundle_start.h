// `flashjit bench-start`: what the start of a process costs that finds its variant in a bundle of
// many. The program runs itself, again and again.
#pragma once

#include "cli/bench_deploy.h"

namespace flashjit::cli {

// The process's half: makes the context and, unless `context_only`, a Runtime and its first call.
// Reports its milliseconds.
int run_first_launch(int device, bool context_only, Report& report);

// The parent's half. A bundle of that many variants is built; then fresh processes start with it
// offline, and each tells how long it took from the end of the context's creation to its first
// launch. Beside each of them a process that only makes the context: the difference of the two is
// what a start costs.
int bench_start(const DeployBench& bench, Report& report);

}  // namespace flashjit::cli
