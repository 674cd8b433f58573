// How a variant is launched: grids, threads and shared memory of its kernels, in order. Host
// arithmetic only; the CUDA and the emulated executor share it. workspace_bytes() is declared in
// executor.h.
#pragma once

#include <array>

#include "executor.h"

namespace flashjit {

inline constexpr int kMaxKernels = 6;  // of the standard family

struct Grid {
  unsigned x = 1, y = 1, z = 1;

  bool operator==(const Grid&) const = default;
};

struct LaunchGeometry {
  std::array<Grid, kMaxKernels> grids;
  int num_kernels = 0;      // 0: there is no output, nothing to launch
  int threads = 0;          // per CTA, of every kernel
  int smem_bytes = 0;       // dynamic, per CTA, of every kernel
  TileSchedule schedule{};  // sm90
};

// Throws Error(kNotSupported) when a grid is larger than a launch can be.
LaunchGeometry launch_geometry(const KernelConfig& config,
                               const ProblemShape& shape,
                               const DeviceInfo& device);

}  // namespace flashjit
