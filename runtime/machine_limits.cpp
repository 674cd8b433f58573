#include "machine_limits.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

namespace flashjit {
namespace {

namespace fs = std::filesystem;

// The number behind `name` in a file of lines "name number".
std::optional<std::uint64_t> read_field(const fs::path& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    std::uint64_t number = 0;
    if (words >> word >> number && word == name) return number;
  }
  return std::nullopt;
}

// The first number of a file; nothing for "max".
std::optional<std::uint64_t> read_number(const fs::path& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

// Bytes that a group still grants: its limit less what it uses, file cache that can go apart.
std::optional<std::uint64_t> free_memory_of_group(const fs::path& group) {
  const auto limit = read_number(group / "memory.max");
  const auto used = read_number(group / "memory.current");
  if (!limit || !used) return std::nullopt;
  const std::uint64_t cache = read_field(group / "memory.stat", "inactive_file").value_or(0);
  const std::uint64_t kept = *used - std::min(*used, cache);
  return *limit - std::min(*limit, kept);
}

// "quota period" in microseconds: the cores that they make, rounded up.
std::optional<int> quota_of_group(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return static_cast<int>(std::clamp(std::ceil(quota / period), 1.0, 1e6));
}

// The path of this process below the mount of control groups v2: the line "0::/path".
std::string own_group(const fs::path& root) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::/")) return line.substr(4);
  }
  return "";
}

}  // namespace

MachineLimits read_machine_limits(const fs::path& root) {
  MachineLimits limits;
  limits.cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const auto bound_memory = [&](std::uint64_t bytes) {
    limits.free_memory = std::min(bytes, limits.free_memory.value_or(bytes));
  };
  if (const auto kib = read_field(root / "proc/meminfo", "MemAvailable:")) bound_memory(*kib << 10);
  const fs::path mount = root / "sys/fs/cgroup";
  // A limit of any group above counts as well.
  for (fs::path group = mount / own_group(root);; group = group.parent_path()) {
    if (const auto bytes = free_memory_of_group(group)) bound_memory(*bytes);
    if (const auto cores = quota_of_group(group)) limits.cores = std::min(limits.cores, *cores);
    if (group == mount || !group.has_relative_path()) break;
  }
  return limits;
}

int parallel_compiles(const MachineLimits& limits, int wanted) {
  if (wanted > 0) return wanted;
  const int threads = std::max(1, limits.cores);
  if (!limits.free_memory) return threads;
  const std::uint64_t fit = *limits.free_memory / 2 / kCompileBytes;
  return std::max(1,
                  static_cast<int>(std::min<std::uint64_t>(fit, static_cast<unsigned>(threads))));
}

}  // namespace flashjit
