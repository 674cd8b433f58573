// The parts of `flashjit tune`: what it can be asked, and its modes.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autotune/cuda_tuning_device.h"
#include "autotune/tuning_run.h"
#include "cli/attention_problem.h"
#include "cli/program.h"

namespace flashjit::cli {

struct TuneOptions {
  ProblemFlags problem{{.dtype = Dtype::kBf16,
                        .batch = 4,
                        .seqlen_q = 4096,
                        .seqlen_kv = 4096,
                        .num_heads_q = 16,
                        .num_heads_kv = 16,
                        .head_dim = 128}};
  std::string workload, preset, family, arch, directory, export_file, report_file;
  std::vector<std::string> compare;  // two directories or files of records
  std::vector<int> devices;          // empty: all
  double seconds = 0;                // of the whole run; 0: 15 for each problem
  int threads = 0, shortlist = TunerOptions{}.shortlist;
  std::optional<int> limit;  // of --dry-run; 0: all
  bool grid = false, dry_run = false, again = false, isolate = false, exhaustive = false;
};

void add_tune_flags(CLI::App& command, TuneOptions& options);

// The problems that the options name: a workload, a preset, the grid, or the one of the flags.
std::vector<TuningProblem> tune_problems(const TuneOptions& options);

// --dry-run: the search space of each problem with its analytic rank. Needs no GPU. kExitFailure
// where a problem has no legal tiling.
int tune_dry_run(const TuneOptions& options, Report& report);

// --export: the complete records of the directory `from` as one file. False where it holds none;
// then nothing is written.
bool tune_export(const std::string& file, const std::filesystem::path& from, Report& report);

// After a search: the files of --export, of all records in the directory, and of --report, of the
// outcomes; a note for what there is nothing to write of.
void write_tuning_files(const TuneOptions& options,
                        const std::filesystem::path& directory,
                        const std::vector<TuningOutcome>& outcomes,
                        Report& report);

// --compare: the winners of two sets of records in pairs.
int tune_compare(const TuneOptions& options, Report& report);

// The GPUs of the options, opened at once. Throws Error(kNoDriver) that says what can be done
// without one.
std::vector<std::unique_ptr<TuningDevice>> open_tuning_devices(const TuneOptions& options,
                                                               const Settings& settings);

std::shared_ptr<spdlog::logger> tuning_logger(const Settings& settings);

}  // namespace flashjit::cli
