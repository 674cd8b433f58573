// Backend::kEmulated: variants compiled by the host's compiler and run on the emulator, with all
// detectors on. Tensors are in host memory; launches are synchronous, each runs the next schedule
// (seeds options.seed, options.seed + 1, …), a finding is an Error(kInternal) with the report.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "emulator/core/options.h"
#include "host_compiler.h"
#include "runtime/executor.h"
#include "runtime/settings.h"

namespace flashjit::emu {

class EmulatorExecutor final : public Executor {
 public:
  EmulatorExecutor(const Settings& settings, const Options& options);

  Backend backend() const override { return Backend::kEmulated; }
  const DeviceInfo& device() const override { return device_; }
  std::string compiler_build() const override;
  Binary compile(const VariantSource& source, const KernelSources& sources) const override;
  std::unique_ptr<LoadedKernel> load(const KernelConfig& config,
                                     std::span<const std::byte> code) const override;
  void launch(const LoadedKernel& kernel,
              const KernelConfig& config,
              const AttentionArgs& args,
              const ProblemShape& shape,
              Stream stream) const override;
  bool is_capturing(Stream) const override { return false; }
  void check_pointers(const AttentionArgs& args) const override;

 private:
  const HostCompiler& compiler() const;

  std::string program_;
  Options options_;
  DeviceInfo device_;
  mutable std::atomic<std::uint64_t> launches_ = 0;
  mutable std::mutex compiler_mutex_;
  mutable std::unique_ptr<HostCompiler> compiler_;
};

// Makes the backend known to the runtime that this is linked with. libflashjit_emulator.so does so
// when it is loaded.
void register_backend();

}  // namespace flashjit::emu
