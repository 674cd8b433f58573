// Every environment variable of flashjit, read once per Runtime; the only place that calls getenv.
// A variable that is set but empty counts as unset.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flashjit/runtime.h"

namespace flashjit {

// The variable of each member stands in the table of settings.cpp, which is also what
// `flashjit doctor` prints.
struct Settings {
  std::optional<std::filesystem::path> cache_dir;  // absolute; empty: memory only
  bool cache_dir_missing = false;                  // empty because nothing names one, not by 'off'
  bool cache_group_shared = false;                 // accept and create group-writable directories
  std::uint64_t cache_max_bytes = 1ull << 30;
  std::chrono::milliseconds cache_lock_timeout{30'000};  // 0: processes do not wait for each other
  std::vector<std::filesystem::path> bundles;            // absolute, searched in order
  std::string bundle_digest;  // from Options only: whoever sets variables could choose both
  bool offline = false;
  TuneMode tune = TuneMode::kRecord;
  double tune_seconds = 10;           // of one problem on its first use
  std::filesystem::path record_file;  // workload capture; empty: none
  std::filesystem::path kernel_dir;   // empty: embedded sources
  std::string libcuda;                // empty: libcuda.so.1
  std::string libnvrtc;               // empty: whichever the loader finds
  std::string nvdisasm;               // empty: find_program("nvdisasm")
  std::string log_level = "warn";     // trace, debug, info, warn, error, off
  int cpu_threads = 0;                // 0: one per core
  std::string host_compiler;          // for the emulated backend; empty: find one
};

// Reads the environment. Throws Error(kInvalidArgument) naming the variable on a malformed value.
Settings read_settings();

// The environment, overridden by what the program set in `options`.
Settings effective_settings(const Options& options);

// One row per variable, for `flashjit doctor` and the README: name, meaning, current value ("" when
// unset).
struct SettingRow {
  std::string variable, meaning, value;
};
std::vector<SettingRow> describe_settings();

// The first executable of that name in PATH, then in the bin directories of CUDA_HOME, CUDA_PATH
// and /usr/local/cuda; empty if there is none.
std::filesystem::path find_program(std::string_view name);

// The same for a shared library: LD_LIBRARY_PATH, then the lib64 directories.
std::filesystem::path find_library(std::string_view name);

}  // namespace flashjit
