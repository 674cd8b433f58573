// KernelConfig → the kernel.cu text that is that variant, and the options it is compiled with. Pure
// functions, golden-tested; names are in variant_name.
#pragma once

#include <string>
#include <vector>

#include "variant_name.h"
#include "wgmma_source.h"

namespace flashjit {

// The designated initialiser that is the config in C++: the only serialiser; it feeds the generated
// file, the log and the cache key.
std::string to_source(const KernelConfig& config);

// A complete translation unit: comment, includes, kConfig, static_assert on the shared memory,
// extern "C" kernels.
std::string variant_source(const KernelConfig& config);

// Names of the extern "C" kernels in launch order: one for fused families, six for the standard
// one.
std::vector<std::string> kernel_names(const KernelConfig& config);

// Compiler options that are part of a variant: target and language. Part of the cache key, so no
// paths.
std::vector<std::string> compile_options(const KernelConfig& config);

}  // namespace flashjit
