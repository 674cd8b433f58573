// Tensor map descriptions → the driver's 128 bytes, which TMA instructions read.
#pragma once

#include "driver_library.h"
#include "kernel_src/types.h"
#include "tma_layout.h"

namespace flashjit {

// No driver state is touched, about 0.1 µs each. Throws Error(kDriver) for a description that TMA
// cannot express, which why_not_sm90() has excluded.
TensorMap encode_tensor_map(const DriverLibrary& driver, const TensorMapSpec& spec);

}  // namespace flashjit
