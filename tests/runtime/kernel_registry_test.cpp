#include "kernel_registry.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include "kernel_table.h"
#include "support/catch.h"
#include "support/paths.h"
#include "variant_source.h"

using namespace flashjit;
namespace fs = std::filesystem;

namespace {

struct FakeKernel : LoadedKernel {
  explicit FakeKernel(std::span<const std::byte> bytes) : code(bytes.begin(), bytes.end()) {}
  ResourceUse resources() const override { return {}; }
  std::vector<std::byte> code;
};

// "Compiles" a variant to its name, slowly enough that concurrent callers meet.
class FakeExecutor : public Executor {
 public:
  Backend backend() const override { return Backend::kCuda; }
  const DeviceInfo& device() const override { return device_; }
  std::string compiler_build() const override {
    if (no_compiler) throw Error(ErrorCode::kNoCompiler, "no compiler here");
    return build;
  }
  Binary compile(const VariantSource& source, const KernelSources&) const override {
    ++compiles;
    std::this_thread::sleep_for(compile_time);
    if (fail_compile) throw Error(ErrorCode::kCompileFailed, "does not compile");
    const auto* bytes = reinterpret_cast<const std::byte*>(source.name.data());
    Binary binary;
    binary.code.assign(bytes, bytes + source.name.size());
    binary.log = "ptxas . 0 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads\n";
    binary.compile_ms = 5;
    binary.resources.registers = 77;
    return binary;
  }
  std::unique_ptr<LoadedKernel> load(const KernelConfig&,
                                     std::span<const std::byte> code) const override {
    ++loads;
    if (fail_loads > 0) {
      --fail_loads;
      throw Error(ErrorCode::kDriver, "refused");
    }
    return std::make_unique<FakeKernel>(code);
  }
  void launch(const LoadedKernel&,
              const KernelConfig&,
              const AttentionArgs&,
              const ProblemShape&,
              Stream) const override {}
  bool is_capturing(Stream) const override { return false; }
  void check_pointers(const AttentionArgs&) const override {}

  mutable std::atomic<int> compiles = 0, loads = 0, fail_loads = 0;
  std::atomic<bool> fail_compile = false;
  bool no_compiler = false;
  std::string build = "fake 1";
  std::chrono::milliseconds compile_time{1};

 private:
  DeviceInfo device_;
};

// A private cache directory for one test.
struct Scratch {
  Scratch() {
    std::string name = (fs::temp_directory_path() / "flashjit-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
    settings.cache_dir = path / "cache";
  }
  ~Scratch() { fs::remove_all(path); }
  KernelRegistry registry(const FakeExecutor& executor) const {
    return KernelRegistry(executor, settings, make_logger({}, settings));
  }

  fs::path path;
  Settings settings = [] {
    Settings quiet;
    quiet.log_level = "off";
    return quiet;
  }();
};

KernelConfig config_of(int head_dim) {
  return *parse_variant_name("fwd_simt_bf16_d" + std::to_string(head_dim) + "_m64n64",
                             {8, 0, false});
}

ErrorCode code_of(KernelRegistry& registry, const KernelConfig& config) {
  try {
    registry.get(config);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kOk;
}

std::vector<fs::path> files_below(const fs::path& root) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_regular_file() && entry.file_size() > 0) files.push_back(entry.path());
  }
  return files;
}

// Calls get() from 16 threads at once; the codes of what they got.
std::vector<ErrorCode> get_from_16_threads(KernelRegistry& registry, const KernelConfig& config) {
  std::vector<ErrorCode> codes(16);
  std::latch start(16);
  std::vector<std::thread> threads;
  for (ErrorCode& code : codes) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      code = code_of(registry, config);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return codes;
}

}  // namespace

TEST_CASE("sixteen threads that want one variant cause one compile") {
  const Scratch scratch;
  FakeExecutor executor;
  executor.compile_time = std::chrono::milliseconds(100);
  KernelRegistry registry = scratch.registry(executor);
  for (const ErrorCode code : get_from_16_threads(registry, config_of(64))) {
    CHECK(code == ErrorCode::kOk);
  }
  CHECK(executor.compiles == 1);
  CHECK(executor.loads == 1);
  CHECK(registry.stats().compiles == 1);
  CHECK(registry.loaded().size() == 1);
}

TEST_CASE("a failure reaches all who wait, and the next call tries again") {
  const Scratch scratch;
  FakeExecutor executor;
  executor.compile_time = std::chrono::milliseconds(200);
  executor.fail_compile = true;
  KernelRegistry registry = scratch.registry(executor);
  for (const ErrorCode code : get_from_16_threads(registry, config_of(64))) {
    CHECK(code == ErrorCode::kCompileFailed);
  }
  CHECK(executor.compiles < 16);
  CHECK(registry.find(config_of(64)) == nullptr);

  executor.fail_compile = false;
  CHECK(code_of(registry, config_of(64)) == ErrorCode::kOk);
  CHECK(registry.find(config_of(64)) != nullptr);
}

TEST_CASE("a second registry takes the variant from the disk, as it was made") {
  const Scratch scratch;
  const FakeExecutor executor;
  KernelRegistry first = scratch.registry(executor);
  const VariantInfo made = first.get(config_of(64)).info;
  CHECK(made.origin == VariantOrigin::kCompiled);

  KernelRegistry second = scratch.registry(executor);
  const Kernel& kernel = second.get(config_of(64));
  CHECK(executor.compiles == 1);
  CHECK(kernel.info.origin == VariantOrigin::kDiskCache);
  CHECK(kernel.info.name == "fwd_simt_bf16_d64_m64n64");
  CHECK(kernel.info.resources.registers == 77);
  CHECK(kernel.info.cache_key == made.cache_key);
  CHECK(made.warnings.size() == 1);
  CHECK(kernel.info.warnings == made.warnings);
  const auto& code = static_cast<const FakeKernel&>(*kernel.loaded).code;
  CHECK(std::string(reinterpret_cast<const char*>(code.data()), code.size()) == made.name);
  CHECK(second.stats().disk_hits == 1);
  CHECK(second.stats().compiles == 0);

  CHECK(second.find(config_of(64)) == &kernel);
  CHECK(second.stats().memory_hits == 1);
}

TEST_CASE("another compiler build or another source is another variant") {
  const Scratch scratch;
  FakeExecutor executor;
  scratch.registry(executor).get(config_of(64));
  executor.build = "fake 2";
  scratch.registry(executor).get(config_of(64));
  CHECK(executor.compiles == 2);

  const fs::path dir = scratch.path / "kernel_src";
  fs::copy(test::source_dir() / "kernel_src", dir, fs::copy_options::recursive);
  Scratch edited;
  edited.settings.cache_dir = scratch.settings.cache_dir;
  edited.settings.kernel_dir = dir;
  edited.registry(executor).get(config_of(64));
  CHECK(executor.compiles == 2);
  std::ofstream(dir / "simt" / "fwd_kernel.cuh", std::ios::app) << "// edited\n";
  edited.registry(executor).get(config_of(64));
  CHECK(executor.compiles == 3);
}

TEST_CASE("a damaged entry is compiled again and replaced") {
  const Scratch scratch;
  const FakeExecutor executor;
  scratch.registry(executor).get(config_of(64));
  const std::vector<fs::path> files = files_below(*scratch.settings.cache_dir);
  REQUIRE(files.size() == 1);
  {
    std::fstream file(files[0], std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(0, std::ios::end);
    const auto middle = static_cast<std::streamoff>(file.tellg()) / 2;
    file.seekg(middle);
    const char flipped = static_cast<char>(file.peek() ^ 1);
    file.seekp(middle);
    file.put(flipped);
  }
  KernelRegistry second = scratch.registry(executor);
  CHECK(second.get(config_of(64)).info.origin == VariantOrigin::kCompiled);
  CHECK(second.stats().corrupt_entries > 0);
  CHECK(executor.compiles == 2);
  CHECK(scratch.registry(executor).get(config_of(64)).info.origin == VariantOrigin::kDiskCache);
}

TEST_CASE("an intact entry that the driver refuses is compiled again") {
  const Scratch scratch;
  FakeExecutor executor;
  scratch.registry(executor).get(config_of(64));
  executor.fail_loads = 1;
  KernelRegistry second = scratch.registry(executor);
  CHECK(second.get(config_of(64)).info.origin == VariantOrigin::kCompiled);
  executor.fail_loads = 2;
  KernelRegistry third = scratch.registry(executor);
  CHECK(code_of(third, config_of(64)) == ErrorCode::kDriver);
}

TEST_CASE("offline a miss names the variant and the command, and nothing is compiled") {
  Scratch scratch;
  FakeExecutor executor;
  scratch.registry(executor).get(config_of(64));
  executor.no_compiler = true;  // offline must not even look for it
  scratch.settings.offline = true;
  KernelRegistry registry = scratch.registry(executor);
  CHECK(code_of(registry, config_of(64)) == ErrorCode::kOk);
  try {
    registry.get(config_of(128));
    FAIL("found it");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kOffline);
    CHECK(error.variant() == "fwd_simt_bf16_d128_m64n64");
    CHECK_THAT(error.what(),
               ContainsSubstring("flashjit build fwd_simt_bf16_d128_m64n64 --arch sm_80"));
  }
  CHECK(executor.compiles == 1);
}

TEST_CASE("without a compiler the cache still serves what it has") {
  const Scratch scratch;
  FakeExecutor executor;
  scratch.registry(executor).get(config_of(64));
  executor.no_compiler = true;
  KernelRegistry registry = scratch.registry(executor);
  CHECK(code_of(registry, config_of(64)) == ErrorCode::kOk);
  CHECK(code_of(registry, config_of(128)) == ErrorCode::kNoCompiler);
}

TEST_CASE("the table finds every kernel through its growth, beside readers") {
  KernelTable table;
  std::atomic<int> inserted = 0;
  std::atomic<bool> missed = false;
  constexpr int kCount = 500;
  std::thread reader([&] {
    while (inserted < kCount) {
      const int newest = inserted;
      if (newest == 0) continue;
      const Kernel* kernel = table.find(config_of(8 * newest));
      if (kernel == nullptr || kernel->info.config != config_of(8 * newest)) missed = true;
    }
  });
  CHECK(table.find(config_of(8)) == nullptr);
  for (int i = 1; i <= kCount; ++i) {
    auto kernel = std::make_unique<Kernel>();
    kernel->info.config = config_of(8 * i);
    table.insert(std::move(kernel));
    inserted = i;
  }
  reader.join();
  CHECK_FALSE(missed);
  for (int i = 1; i <= kCount; ++i) {
    REQUIRE(table.find(config_of(8 * i)) != nullptr);
    CHECK(table.find(config_of(8 * i))->info.config == config_of(8 * i));
  }
  CHECK(table.find(config_of(8 * kCount + 8)) == nullptr);
}
