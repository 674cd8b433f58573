#include "support/cache_samples.h"

namespace flashjit::test {

CacheEntry sample_entry(int number, std::size_t code_bytes) {
  VariantSource source;
  source.name = "fwd_sample_" + std::to_string(number);
  source.text = "// " + source.name;
  source.options = {"--gpu-architecture=sm_90a", "-std=c++20"};
  source.sources_digest = std::string(64, 'a');

  CacheEntry entry;
  entry.compiler_build = "nvrtc 13.0.48";
  entry.key = make_cache_key(source, entry.compiler_build);
  entry.variant = source.name;
  entry.arch = "sm_90a";
  entry.sources_digest = source.sources_digest;
  entry.binary.code.resize(code_bytes);
  for (std::size_t i = 0; i < code_bytes; ++i) {
    entry.binary.code[i] =
        static_cast<std::byte>(i * 7 + 13 * static_cast<std::size_t>(number) + 1);
  }
  entry.binary.log = "ptxas info: ok";
  entry.binary.compile_ms = 123.5;
  entry.binary.resources = {.registers = 168,
                            .spill_store_bytes = 4,
                            .spill_load_bytes = 8,
                            .stack_bytes = 16,
                            .static_smem_bytes = 32,
                            .dynamic_smem_bytes = 163840,
                            .threads = 384};
  return entry;
}

}  // namespace flashjit::test
