#include "runtime/machine_limits.h"

#include <fstream>

#include "support/catch.h"
#include "support/temp_dir.h"

using namespace flashjit;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kGiB = 1ull << 30;

// A root directory with the files that the limits are read from.
struct Root {
  test::TempDir dir;

  Root& put(const std::string& path, const std::string& text) {
    fs::create_directories((dir / path).parent_path());
    std::ofstream(dir / path) << text;
    return *this;
  }
  MachineLimits limits() const { return read_machine_limits(dir.path()); }
};

}  // namespace

TEST_CASE("without files nothing is known and nothing is bounded") {
  const MachineLimits limits = Root().limits();
  CHECK_FALSE(limits.free_memory);
  CHECK(limits.cores >= 1);
}

TEST_CASE("free memory is what the machine has available") {
  Root root;
  root.put("proc/meminfo", "MemTotal:  9000000 kB\nMemAvailable:    2097152 kB\n");
  CHECK(root.limits().free_memory == 2 * kGiB);
}

TEST_CASE("the limits of the own control group and of those above it count") {
  Root root;
  root.put("proc/meminfo", "MemAvailable: 67108864 kB\n")
      .put("proc/self/cgroup", "1:cpu:/old\n0::/pod/app\n")
      .put("sys/fs/cgroup/pod/app/memory.max", "max\n")
      .put("sys/fs/cgroup/pod/app/memory.current", "1\n")
      .put("sys/fs/cgroup/pod/app/cpu.max", "max 100000\n")
      .put("sys/fs/cgroup/pod/memory.max", std::to_string(4 * kGiB) + "\n")
      .put("sys/fs/cgroup/pod/memory.current", std::to_string(3 * kGiB) + "\n")
      .put("sys/fs/cgroup/pod/cpu.max", "50000 100000\n");
  CHECK(root.limits().free_memory == kGiB);
  CHECK(root.limits().cores == 1);
  // File cache goes when it must.
  root.put("sys/fs/cgroup/pod/memory.stat",
           "anon 5\ninactive_file " + std::to_string(2 * kGiB) + "\n");
  CHECK(root.limits().free_memory == 3 * kGiB);
  root.put("sys/fs/cgroup/pod/memory.current", std::to_string(9 * kGiB) + "\n");
  CHECK(root.limits().free_memory == 0);
}

TEST_CASE("a limit on the whole container counts") {
  Root root;
  root.put("proc/self/cgroup", "0::/\n")
      .put("sys/fs/cgroup/memory.max", std::to_string(2 * kGiB))
      .put("sys/fs/cgroup/memory.current", "0");
  CHECK(root.limits().free_memory == 2 * kGiB);
}

TEST_CASE("compiles at once: the cores, as far as the memory holds them") {
  CHECK(parallel_compiles({.cores = 16, .free_memory = 128 * kGiB}, 0) == 16);
  CHECK(parallel_compiles({.cores = 16, .free_memory = 8 * kCompileBytes}, 0) == 4);
  CHECK(parallel_compiles({.cores = 16, .free_memory = 0}, 0) == 1);
  CHECK(parallel_compiles({.cores = 16, .free_memory = {}}, 0) == 16);  // not known
  CHECK(parallel_compiles({.cores = 2, .free_memory = 1}, 8) == 8);     // the caller knows better
}
