// What this process may use of the machine, for bounding parallel compiles: cores by the affinity
// mask and the CPU quota, memory by what is free and by the limits of its control groups (v2).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace flashjit {

struct MachineLimits {
  int cores = 1;
  std::optional<std::uint64_t> free_memory = {};  // bytes; nothing: not known
};

// `root` is "/" but in tests. What cannot be read bounds nothing.
MachineLimits read_machine_limits(const std::filesystem::path& root = "/");

// What one NVRTC compile of a variant may take at its peak.
inline constexpr std::uint64_t kCompileBytes = 512ull << 20;

// Compiles at once: `wanted`, or if that is 0 one per core, as far as half of the free memory holds
// them; at least 1.
int parallel_compiles(const MachineLimits& limits, int wanted);

}  // namespace flashjit
