#include "compiled_elsewhere.h"

#include <fmt/format.h>

#include "cubin_compatibility.h"
#include "kernel_registry.h"
#include "kernel_src/variant_plan.h"

namespace flashjit {

std::optional<CacheHit> find_compiled_elsewhere(CubinCache& cache,
                                                const VariantSource& source,
                                                const KernelSources& sources,
                                                const DeviceInfo& device) {
  const std::vector<std::string> builds = cache.compiler_builds();
  std::string too_new;
  for (const Arch& target : runnable_targets(source.config.arch)) {
    KernelConfig config = source.config;
    config.arch = target;
    if (why_illegal(config) != nullptr) continue;
    const VariantSource for_target =
        target == source.config.arch ? source : make_variant_source(config, sources);
    for (const std::string& build : builds) {
      std::optional<CacheHit> hit = cache.find(make_cache_key(for_target, build));
      if (!hit) continue;
      const std::string why = why_not_loadable(target, build, device.arch, device.driver_version);
      if (why.empty()) return hit;
      too_new = why;
    }
  }
  if (too_new.empty()) return std::nullopt;
  throw Error(ErrorCode::kNotSupported, fmt::format("{}: {}", source.name, too_new))
      .with_variant(source.name);
}

}  // namespace flashjit
