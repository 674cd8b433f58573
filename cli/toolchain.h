// What turns a config into code without a GPU: settings, kernel sources and, where it can be
// opened, NVRTC. Shared by the commands that look at variants instead of running them.
#pragma once

#include <optional>
#include <string>

#include "cli/table.h"
#include "compiler.h"
#include "cubin_cache.h"
#include "settings.h"

namespace flashjit::cli {

class Toolchain {
 public:
  // Never throws for a missing NVRTC, and offline does not look for it; throws Error for malformed
  // settings or an unreadable kernel directory.
  Toolchain();

  const Settings& settings() const { return settings_; }
  const KernelSources& sources() const { return sources_; }
  const Compiler* compiler() const { return compiler_ ? &*compiler_ : nullptr; }
  // Why compiler() is null.
  const std::string& compiler_error() const { return compiler_error_; }
  // Throws Error(kNoCompiler) when there is none.
  const Compiler& require_compiler() const;

  // The bundles and the cache directory.
  CubinCache& cache() { return cache_; }
  // The variant's entry from the bundles or the cache directory; without a compiler, or offline,
  // that of any compiler's build.
  std::optional<CacheHit> find(const KernelConfig& config);
  // The variant's entry: from the cache, or compiled and published. Thread-safe. Throws Error.
  CacheHit get(const KernelConfig& config);

  // Whether the variant stands in a bundle or in the cache directory; nothing when the key cannot
  // be told without a compiler.
  std::optional<bool> is_cached(const KernelConfig& config);

 private:
  Settings settings_;
  KernelSources sources_;
  std::optional<Compiler> compiler_;
  std::string compiler_error_;
  CubinCache cache_;
};

// FLASHJIT_KERNEL_DIR as it was given; "" where the embedded sources are used.
std::string given_kernel_dir();

// Whose text it is that is shown or compiled: "embedded", or "DIR (FLASHJIT_KERNEL_DIR)".
std::string sources_text();

// The resources of a compiled variant for JSON.
Json to_json(const ResourceUse& use);

}  // namespace flashjit::cli
