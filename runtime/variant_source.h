// KernelConfig → variant name, and the kernel.cu text that is that variant. Pure functions,
// golden-tested.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flashjit/kernel_config.h"

namespace flashjit {

// fwd_sm90_bf16_d128_causal_m128n128s2: family, dtype, head dims (d128, or d192v128), mask, lse,
// tiling.
std::string variant_name(const KernelConfig& config);
// The inverse; nothing if the text is no variant name. The arch comes from outside: names do not
// carry it.
std::optional<KernelConfig> parse_variant_name(std::string_view name, const Arch& arch);

// "sm_90a"; parse accepts sm_90a, 90a, 9.0a.
std::string arch_name(const Arch& arch);
std::optional<Arch> parse_arch(std::string_view text);

const char* to_string(Dtype dtype);    // "bf16"
const char* to_string(Family family);  // "sm80"
std::optional<Dtype> parse_dtype(std::string_view text);
std::optional<Family> parse_family(std::string_view text);

// The designated initialiser that is the config in C++: the only serialiser; it feeds the generated
// file, the log and the cache key.
std::string to_source(const KernelConfig& config);

// A complete translation unit: comment, includes, kConfig, static_assert on the shared memory,
// extern "C" kernels.
std::string variant_source(const KernelConfig& config);

// Names of the extern "C" kernels in launch order: one for fused families, six for the standard
// one.
std::vector<std::string> kernel_names(const KernelConfig& config);

// Text of the header "ptx/wgmma_ops.h" with the wgmma shapes that an sm90 variant uses; "" for
// other families.
std::string wgmma_ops_header(const KernelConfig& config);

// Compiler options that are part of a variant: target, standard, line info. Part of the cache key.
std::vector<std::string> compile_options(const KernelConfig& config);

}  // namespace flashjit
