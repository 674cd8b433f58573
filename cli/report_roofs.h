// What a device reaches at most, the roofs of a report's roofline.
#pragma once

#include <string>
#include <vector>

#include "cli/table.h"

namespace flashjit::cli {

// device, tflops, gb_per_s and measured: whether a baseline of this device model has them as its
// "ceilings", a large bf16 GEMM and a device copy. Else they are its data sheet's. Null where
// neither is known.
Json roofs_of(const std::string& device, const std::vector<Json>& baselines);

}  // namespace flashjit::cli
