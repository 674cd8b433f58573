// Runs a kernel: what cuLaunchKernel is to the driver.
#pragma once
#include <functional>

#include "emu/device.h"
#include "options.h"

namespace flashjit::emu {

// Calls `kernel` once in every thread of every CTA; clusters of `cluster_size` CTAs along x (1, 2,
// 4 or 8, a divisor of grid.x) are spread over options.workers OS threads. Returns when all have
// ended. Throws the first Failure.
Stats launch(Dim3 grid,
             Dim3 block,
             std::size_t smem_bytes,
             const std::function<void()>& kernel,
             const Options& options = {},
             unsigned cluster_size = 1);

}  // namespace flashjit::emu
