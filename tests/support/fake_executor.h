// An executor without a device: counts what the runtime asks of it. For tests of everything between
// the API and the driver.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "executor_factory.h"

namespace flashjit::test {

// Shared by the test and the executor that the runtime owns.
struct FakeDevice {
  DeviceInfo info;
  std::atomic<int> compiles = 0, loads = 0, launches = 0, pointer_checks = 0;
  std::atomic<bool> capturing = false;
  // What compile() and launch() do besides counting; may throw.
  std::function<void()> on_compile = [] {};
  std::function<void(const KernelConfig&, Stream)> on_launch = [](const KernelConfig&, Stream) {};

  FakeDevice() {
    info.name = "fake";
    info.arch = {.major = 8, .minor = 0, .specific = false};
    info.sm_count = 8;
  }
};

class FakeExecutor : public Executor {
 public:
  explicit FakeExecutor(std::shared_ptr<FakeDevice> device) : device_(std::move(device)) {}

  Backend backend() const override { return Backend::kEmulated; }
  const DeviceInfo& device() const override { return device_->info; }
  std::string compiler_build() const override { return "fake 1"; }
  Binary compile(const VariantSource&, const KernelSources&) const override {
    ++device_->compiles;
    device_->on_compile();
    Binary binary;
    binary.code = {std::byte{1}, std::byte{2}};
    binary.compile_ms = 1;
    return binary;
  }
  std::unique_ptr<LoadedKernel> load(const KernelConfig&,
                                     std::span<const std::byte>) const override {
    struct Loaded : LoadedKernel {
      ResourceUse resources() const override { return {}; }
    };
    ++device_->loads;
    return std::make_unique<Loaded>();
  }
  void launch(const LoadedKernel&,
              const KernelConfig& config,
              const AttentionArgs&,
              const ProblemShape&,
              Stream stream) const override {
    ++device_->launches;
    device_->on_launch(config, stream);
  }
  bool is_capturing(Stream) const override { return device_->capturing; }
  void check_pointers(const AttentionArgs&) const override { ++device_->pointer_checks; }

 private:
  std::shared_ptr<FakeDevice> device_;
};

// Makes Backend::kEmulated the fake device for every Runtime made from now on.
inline std::shared_ptr<FakeDevice> install_fake_device() {
  auto device = std::make_shared<FakeDevice>();
  register_executor_factory(
      Backend::kEmulated,
      [device](const Options&, const Settings&, const std::shared_ptr<spdlog::logger>&) {
        return std::make_unique<FakeExecutor>(device);
      });
  return device;
}

}  // namespace flashjit::test
