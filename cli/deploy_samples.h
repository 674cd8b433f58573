// What `flashjit bench-preload` and `bench-start` have in common: up to 256 problems with a variant
// of their own each, compiled into an empty cache.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cli/bench_deploy.h"
#include "flashjit/runtime.h"

namespace flashjit::cli {

inline constexpr int kSampleBatch = 1, kSampleSeqlen = 1024, kSampleHeads = 16;
inline constexpr int kSampleHeadDim = 128;  // of problem 0

// Of head_dim × mask × dtype × LSE, without tensors. Number 0 is bf16, head_dim kSampleHeadDim,
// causal.
AttentionArgs sample_problem(int number);

struct Preloaded {
  double wall_ms = 0;
  std::map<std::string, double> compile_ms;  // of each variant
  DeviceInfo device;
};

// `count` of the first `bench.variants` problems, spread evenly, by that many threads into `cache`,
// an empty directory. Throws the first error of a variant.
Preloaded preload(const DeployBench& bench,
                  int count,
                  int threads,
                  const std::filesystem::path& cache,
                  Report& report);

// Compiles at once: what is asked for, or what this machine allows.
int threads_of(const DeployBench& bench);

// Writes `bench.out`, if there is one: a file of bench/results with the facts in its head.
void write_results(const DeployBench& bench,
                   const std::string& command,
                   const DeviceInfo& device,
                   const std::vector<Fact>& facts,
                   const Json& rows);

}  // namespace flashjit::cli
