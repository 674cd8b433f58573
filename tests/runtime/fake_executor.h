// An executor without a device that counts what a kernel registry asks of it, and a cache directory
// of a test's own.
#pragma once

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "kernel_registry.h"
#include "support/catch.h"
#include "variant_source.h"

namespace flashjit {

struct FakeKernel : LoadedKernel {
  explicit FakeKernel(std::span<const std::byte> bytes) : code(bytes.begin(), bytes.end()) {}
  ResourceUse resources() const override { return {}; }
  std::vector<std::byte> code;
};

// "Compiles" a variant to its name, slowly enough that concurrent callers meet.
class FakeExecutor : public Executor {
 public:
  Backend backend() const override { return Backend::kCuda; }
  const DeviceInfo& device() const override { return info; }
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
      throw Error(load_error, "refused");
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
  ErrorCode load_error = ErrorCode::kDriver;
  std::atomic<bool> fail_compile = false;
  bool no_compiler = false;
  std::string build = "fake 1";
  std::chrono::milliseconds compile_time{1};
  DeviceInfo info;  // sm_80, no driver
};

// A private cache directory for one test.
struct Scratch {
  explicit Scratch(const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string name = (parent / "flashjit-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
    settings.cache_dir = path / "cache";
  }
  ~Scratch() { std::filesystem::remove_all(path); }
  KernelRegistry registry(const FakeExecutor& executor) const {
    return KernelRegistry(executor, settings, make_logger({}, settings));
  }

  std::filesystem::path path;
  Settings settings = [] {
    Settings quiet;
    quiet.log_level = "off";
    return quiet;
  }();
};

inline KernelConfig config_of(int head_dim) {
  return *parse_variant_name("fwd_simt_bf16_d" + std::to_string(head_dim) + "_m64n64",
                             {8, 0, false});
}

inline ErrorCode code_of(KernelRegistry& registry, const KernelConfig& config) {
  try {
    registry.get(config);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kOk;
}

inline std::vector<std::filesystem::path> files_below(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.is_regular_file() && entry.file_size() > 0) files.push_back(entry.path());
  }
  return files;
}

}  // namespace flashjit
