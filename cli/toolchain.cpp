#include "cli/toolchain.h"

#include "compiled_elsewhere.h"
#include "kernel_registry.h"
#include "variant_name.h"

namespace flashjit::cli {

Toolchain::Toolchain()
    : settings_(read_settings()),
      sources_(settings_.kernel_dir.empty() ? KernelSources::embedded()
                                            : KernelSources::from_directory(settings_.kernel_dir)),
      cache_(settings_, make_logger({}, settings_)) {
  if (settings_.offline) {
    compiler_error_ = "strict offline mode (FLASHJIT_OFFLINE): NVRTC is not opened";
    return;
  }
  try {
    compiler_.emplace(std::make_shared<const NvrtcLibrary>(settings_.libnvrtc));
  } catch (const Error& error) {
    compiler_error_ = error.what();
  }
}

const Compiler& Toolchain::require_compiler() const {
  if (!compiler_) throw Error(ErrorCode::kNoCompiler, compiler_error_);
  return *compiler_;
}

std::optional<bool> Toolchain::is_cached(const KernelConfig& config) {
  if (!compiler_) return std::nullopt;
  const VariantSource source = make_variant_source(config, sources_);
  return cache_.find(make_cache_key(source, compiler_->build())).has_value();
}

std::optional<CacheHit> Toolchain::find(const KernelConfig& config) {
  const VariantSource source = make_variant_source(config, sources_);
  if (compiler_) return cache_.find(make_cache_key(source, compiler_->build()));
  DeviceInfo device;
  device.arch = config.arch;  // no driver: whatever it loads
  return find_compiled_elsewhere(cache_, source, sources_, device);
}

CacheHit Toolchain::get(const KernelConfig& config) {
  const Compiler& compiler = require_compiler();
  const VariantSource source = make_variant_source(config, sources_);
  const CacheKey key = make_cache_key(source, compiler.build());
  if (std::optional<CacheHit> hit = cache_.find(key)) return std::move(*hit);
  const auto lock = cache_.lock(key);
  if (std::optional<CacheHit> hit = cache_.find(key))
    return std::move(*hit);  // another process was faster
  CacheHit hit{{.key = key,
                .variant = source.name,
                .arch = arch_name(config.arch),
                .compiler_build = compiler.build(),
                .sources_digest = source.sources_digest,
                .binary = compiler.compile(source, sources_)},
               VariantOrigin::kCompiled};
  cache_.publish(hit.entry);
  return hit;
}

std::string given_kernel_dir() {
  for (const SettingRow& row : describe_settings()) {
    if (row.variable == "FLASHJIT_KERNEL_DIR") return row.value;
  }
  return "";
}

std::string sources_text() {
  const std::string directory = given_kernel_dir();
  return directory.empty() ? "embedded" : directory + " (FLASHJIT_KERNEL_DIR)";
}

Json to_json(const ResourceUse& use) {
  return {{"registers", use.registers},
          {"spill_store_bytes", use.spill_store_bytes},
          {"spill_load_bytes", use.spill_load_bytes},
          {"stack_bytes", use.stack_bytes},
          {"static_smem_bytes", use.static_smem_bytes},
          {"dynamic_smem_bytes", use.dynamic_smem_bytes},
          {"threads", use.threads}};
}

}  // namespace flashjit::cli
