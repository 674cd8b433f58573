// KernelConfig → the wgmma wrappers that its kernel calls, as the text of "ptx/wgmma_ops.h". They
// are written per variant because the operand list of a wgmma is literal: one register name for
// each of up to 128 accumulators.
#pragma once

#include <string>

#include "flashjit/kernel_config.h"

namespace flashjit {

// "" for families other than sm90. Pure; part of a variant's text and of its cache key.
std::string wgmma_ops_header(const KernelConfig& config);

}  // namespace flashjit
