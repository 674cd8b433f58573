#include "cli/fake_bundle.h"

#include <fmt/format.h>

#include <fstream>

#include "bundle.h"
#include "cli/workload_variants.h"
#include "kernel_registry.h"
#include "variant_name.h"

namespace flashjit::test {

std::vector<std::string> export_fake_bundle(const std::filesystem::path& directory,
                                            const std::string& workload,
                                            const std::vector<std::string>& archs,
                                            const std::string& compiler) {
  const KernelSources sources = KernelSources::embedded();
  BundleContents contents;
  contents.provenance = "a test";
  std::vector<std::string> names;
  cli::BuildSet set;
  set.workload = workload;
  set.archs = archs;
  for (const PreloadedVariant& variant : cli::needed_variants(set)) {
    const VariantSource source = make_variant_source(variant.info.config, sources);
    CacheEntry entry;
    entry.key = make_cache_key(source, compiler);
    entry.variant = source.name;
    entry.arch = arch_name(source.config.arch);
    entry.compiler_build = compiler;
    entry.sources_digest = source.sources_digest;
    entry.binary.code.assign(1000, std::byte{42});
    contents.entries.push_back(std::move(entry));
    names.push_back(source.name);
  }
  export_bundle(directory, contents);
  return names;
}

std::string fake_machine(const std::string& bundle, const std::string& more) {
  std::string variables = fmt::format(
      "FLASHJIT_LIBCUDA={} FLASHJIT_LIBNVRTC=/no/such/libnvrtc.so "
      "FLASHJIT_TUNE=off ",
      FLASHJIT_FAKE_CUDA);
  if (!bundle.empty()) variables += fmt::format("FLASHJIT_BUNDLES='{}' ", bundle);
  return variables + more;
}

void write_workload(const std::filesystem::path& file, int count) {
  std::ofstream out(file);
  for (int i = 0; i < count; ++i) {
    out << fmt::format(
        R"({{"dtype": "{}", "head_dim_qk": {}, "mask": "{}", "return_lse": {}, "num_heads_q": 16, )"
        R"("seqlen_q": 1024}})"
        "\n",
        i / 64 % 2 == 0 ? "bf16" : "fp16",
        8 * (i % 32 + 1),
        i / 32 % 2 == 0 ? "none" : "causal",
        i / 128 % 2 == 1);
  }
}

}  // namespace flashjit::test
