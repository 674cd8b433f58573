// How the persistent sm90 kernels walk their tiles: the host's half of
// attention/sm90_scheduler.cuh.
#pragma once

#include "problem.h"

namespace flashjit {

// Sections by the size of the device's L2, and for causal a last section of about four waves of
// tiles, so that a launch ends on short ones. Pure arithmetic.
TileSchedule make_tile_schedule(const KernelConfig& config,
                                const ProblemShape& shape,
                                const DeviceInfo& device);

// CTAs of the launch: one for each SM, or a cluster for each tile where they are fewer or
// Schedule::kOneTile asks for it.
int num_sm90_ctas(const KernelConfig& config, const TileSchedule& schedule, int sm_count);

// Schedule::kDynamic: bytes at FwdParams::workspace, zero before the first launch that uses them;
// every launch leaves them zero. Launches that may run at the same time need one each.
inline constexpr int kTileCounterBytes = 8;

}  // namespace flashjit
