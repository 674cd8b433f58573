// `flashjit bench --tuned-grid`: what tuning gains over the heuristic at each point of the grid.
#pragma once

#include <string>

#include "cli/report.h"
#include "flashjit/runtime.h"

namespace flashjit::cli {

struct BenchTunedOptions {
  std::string records;  // directory or file; empty: what forward() would look at
  std::string out;      // result file; empty: none
  int device = 0;
};

int bench_tuned(const BenchTunedOptions& options, Dtype dtype, Report& report);

}  // namespace flashjit::cli
