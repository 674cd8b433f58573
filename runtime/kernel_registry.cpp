#include "kernel_registry.h"

#include "variant_source.h"

namespace flashjit {

VariantSource make_variant_source(const KernelConfig& config, const KernelSources& sources) {
  VariantSource source = {.config = config,
                          .name = variant_name(config),
                          .text = variant_source(config),
                          .wgmma_ops = wgmma_ops_header(config),
                          .options = compile_options(config),
                          .sources_digest = ""};
  source.sources_digest = sources.digest(source.text);
  return source;
}

}  // namespace flashjit
