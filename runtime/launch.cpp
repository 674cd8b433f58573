#include "launch.h"

#include <fmt/format.h>

#include <limits>

#include "kernel_src/variant_plan.h"
#include "tile_schedule.h"

namespace flashjit {
namespace {

unsigned grid_size(i64 ctas) {
  constexpr i64 kMax = std::numeric_limits<int>::max();  // gridDim.x, every arch
  if (ctas > kMax) {
    throw Error(ErrorCode::kNotSupported,
                fmt::format("the problem has {} tiles; one launch takes {}", ctas, kMax));
  }
  return static_cast<unsigned>(ctas);
}

}  // namespace

LaunchGeometry launch_geometry(const KernelConfig& config,
                               const ProblemShape& shape,
                               const DeviceInfo& device) {
  LaunchGeometry geometry;
  geometry.threads = num_threads(config);
  geometry.smem_bytes = smem_bytes(config);
  if (shape.batch == 0 || shape.num_heads_q == 0 || shape.seqlen_q == 0) return geometry;
  if (config.tiling.family == Family::kStandard) {
    geometry.num_kernels = kNumStandardKernels;
    for (int i = 0; i < kNumStandardKernels; ++i) {
      const LaunchShape launch = standard_launch(config,
                                                 static_cast<StandardKernel>(i),
                                                 shape.batch,
                                                 shape.num_heads_q,
                                                 shape.seqlen_q,
                                                 shape.seqlen_kv);
      geometry.grids[static_cast<std::size_t>(i)].x = grid_size(launch.grid_x);
    }
    return geometry;
  }
  geometry.num_kernels = 1;
  if (config.tiling.family == Family::kSm90) {
    geometry.schedule = make_tile_schedule(config, shape, device);
    geometry.grids[0].x = grid_size(num_sm90_ctas(config, geometry.schedule, device.sm_count));
    return geometry;
  }
  geometry.grids[0].x = grid_size(num_ctas(config, shape.batch, shape.num_heads_q, shape.seqlen_q));
  return geometry;
}

std::size_t workspace_bytes(const KernelConfig& config,
                            const ProblemShape& shape,
                            const DeviceInfo&) {
  if (config.tiling.family != Family::kStandard) return 0;
  return static_cast<std::size_t>(standard_workspace_bytes(
      config.problem, shape.batch, shape.num_heads_q, shape.seqlen_q, shape.seqlen_kv));
}

}  // namespace flashjit
