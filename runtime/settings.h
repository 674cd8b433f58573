// Every environment variable of flashjit, read once per Runtime; the only place that calls getenv.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "flashjit/runtime.h"

namespace flashjit {

struct Settings {
  std::optional<std::filesystem::path>
      cache_dir;                    // FLASHJIT_CACHE_DIR, XDG_CACHE_HOME, HOME; empty: memory only
  bool cache_group_shared = false;  // FLASHJIT_CACHE_GROUP=1: accept group-owned directories
  std::uint64_t cache_max_bytes = 1ull << 30;  // FLASHJIT_CACHE_MAX_BYTES
  std::vector<std::filesystem::path> bundles;  // FLASHJIT_BUNDLES, colon-separated
  bool offline = false;                        // FLASHJIT_OFFLINE=1
  std::filesystem::path kernel_dir;            // FLASHJIT_KERNEL_DIR; empty: embedded sources
  std::string libcuda;                         // FLASHJIT_LIBCUDA; empty: libcuda.so.1
  std::string libnvrtc;                        // FLASHJIT_LIBNVRTC; empty: libnvrtc.so.13, .12
  std::string nvdisasm;                        // FLASHJIT_NVDISASM; empty: from PATH and CUDA_HOME
  std::string log_level = "warn";              // FLASHJIT_LOG: trace, debug, info, warn, error, off
  int cpu_threads = 0;                         // FLASHJIT_CPU_THREADS; 0: one per core
  std::string host_compiler;                   // FLASHJIT_HOST_CXX, for the emulated backend
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

}  // namespace flashjit
