// KernelConfig → loaded kernel: one compile per key per process however many threads ask, then one
// look-up.
#pragma once

#include <memory>
#include <vector>

#include "cubin_cache.h"
#include "executor.h"

namespace flashjit {

// A variant that is ready to launch.
struct Kernel {
  VariantInfo info;
  std::unique_ptr<LoadedKernel> loaded;
};

class KernelRegistry {
 public:
  KernelRegistry(const Executor& executor,
                 const Settings& settings,
                 std::shared_ptr<spdlog::logger> logger);
  ~KernelRegistry();

  // The loaded kernel, or null; never compiles, takes no lock.
  const Kernel* find(const KernelConfig& config) const;

  // Loads or compiles. Concurrent calls for one config wait for the first; its failure reaches all
  // of them and the next call tries again. Throws Error: kOffline, kNoCompiler, kCompileFailed,
  // kDriver.
  const Kernel& get(const KernelConfig& config);

  std::vector<VariantInfo> loaded() const;
  Stats stats() const;
  const KernelSources& sources() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The variant as text with the digest of what it includes.
VariantSource make_variant_source(const KernelConfig& config, const KernelSources& sources);

}  // namespace flashjit
