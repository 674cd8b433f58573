#include "variant_launch.h"

#include <iterator>
#include <optional>

#include "emulator/core/launch.h"
#include "emulator/core/tensor_map.h"
#include "guarded_buffer.h"
#include "kernel_src/variant_plan.h"
#include "runtime/launch.h"
#include "runtime/tile_schedule.h"

namespace flashjit::emu {
namespace {

// For reports: the parts of shared memory and of the CTA by the names of the plan.
void name_parts(const KernelConfig& config, Options& options) {
  constexpr const char* kNames[] = {
      "Q", "K", "V", "scores", "probs", "out", "ones", "barriers", "tile_info", "next_tile"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(SmemRegion::kCount));
  const SmemPlan plan = smem_plan(config);
  for (int i = 0; i < static_cast<int>(SmemRegion::kCount); ++i) {
    if (plan.bytes[i] == 0) continue;
    options.smem_regions.push_back(
        {kNames[i], static_cast<u32>(plan.offset[i]), static_cast<u32>(plan.bytes[i])});
  }
  if (config.tiling.family != Family::kSm90) return;
  for (int warp = 0; warp < num_threads(config) / 32; ++warp) {
    options.warp_roles.push_back(warp < 4 ? "producer"
                                          : "consumer " + std::to_string(warp / 4 - 1));
  }
}

// What of global memory asynchronous copies of a call may touch, apart from the workspace.
std::vector<GlobalBuffer> buffers_of(const AttentionArgs& args) {
  std::vector<GlobalBuffer> buffers;
  for (const TensorView* view : {&args.q, &args.k, &args.v, &args.o}) {
    std::int64_t last = 0;
    bool empty = false;
    for (std::size_t i = 0; i < 4; ++i) {
      empty = empty || view->shape[i] == 0;
      last += (view->shape[i] - 1) * view->strides[i];
    }
    const auto size = static_cast<std::size_t>(size_of(view->dtype));
    if (!empty) buffers.push_back({view->data, (static_cast<std::size_t>(last) + 1) * size});
  }
  return buffers;
}

template <class Params>
Stats launch_all(std::span<const Entry> kernels,
                 const LaunchGeometry& geometry,
                 const Params& params,
                 const Options& options,
                 unsigned cluster_size = 1) {
  Stats stats;
  for (std::size_t i = 0; i < static_cast<std::size_t>(geometry.num_kernels); ++i) {
    const auto kernel = reinterpret_cast<void (*)(Params)>(kernels[i]);
    const Grid& grid = geometry.grids[i];
    stats.add(launch(
        {grid.x, grid.y, grid.z},
        {static_cast<unsigned>(geometry.threads), 1, 1},
        static_cast<std::size_t>(geometry.smem_bytes),
        [&] { kernel(params); },
        options,
        cluster_size));
  }
  return stats;
}

TensorMap encode_if(const std::optional<TensorMapSpec>& spec) {
  return spec ? encode_tensor_map(*spec) : TensorMap{};
}

Stats launch_sm90(const KernelConfig& config,
                  std::span<const Entry> kernels,
                  const AttentionArgs& args,
                  const ProblemShape& shape,
                  const LaunchGeometry& geometry,
                  FwdParams fwd,
                  const Options& options) {
  alignas(16) int tile_counters[kTileCounterBytes / sizeof(int)] = {};
  if (config.tiling.schedule == Schedule::kDynamic) fwd.workspace = tile_counters;
  if (config.profile) fwd.workspace = args.workspace;
  const Sm90TensorMaps maps = sm90_tensor_maps(config, args, shape);
  const Sm90FwdParams params = {.q = encode_tensor_map(maps.q),
                                .k = encode_tensor_map(maps.k),
                                .v = encode_tensor_map(maps.v),
                                .o = encode_tensor_map(maps.o),
                                .q_tail = encode_if(maps.q_tail),
                                .k_tail = encode_if(maps.k_tail),
                                .v_tail = encode_if(maps.v_tail),
                                .o_tail = encode_if(maps.o_tail),
                                .fwd = fwd,
                                .schedule = geometry.schedule};
  const auto cluster_size = static_cast<unsigned>(config.tiling.cluster_size);
  Stats stats = launch_all(kernels, geometry, params, options, cluster_size);
  for (int counter : tile_counters) {
    if (counter != 0) throw Failure("schedule", "the kernel did not reset its tile counters");
  }
  return stats;
}

}  // namespace

TensorMap encode_tensor_map(const TensorMapSpec& spec) {
  TensorMapFields fields;
  fields.base = static_cast<u8*>(spec.base);
  fields.rank = 5;
  fields.element_bytes = static_cast<u8>(size_of(spec.dtype));
  fields.swizzle = spec.swizzle_bytes == 128  ? Swizzle::k128B
                   : spec.swizzle_bytes == 64 ? Swizzle::k64B
                                              : Swizzle::k32B;
  for (std::size_t i = 0; i < 5; ++i) {
    fields.dims[i] = static_cast<u32>(spec.dims[i]);
    fields.box[i] = static_cast<u16>(spec.box[i]);
    if (i > 0) fields.strides[i - 1] = spec.strides[i - 1];
  }
  return encode_tensor_map(fields);
}

DeviceInfo emulated_device() {
  DeviceInfo device;
  device.name = "emulator";
  device.arch = {.major = 9, .minor = 0, .specific = true};
  device.sm_count = 2;
  device.l2_bytes = 64 << 10;  // so that small problems have several sections of heads
  return device;
}

Stats launch_variant(const KernelConfig& config,
                     std::span<const Entry> kernels,
                     const AttentionArgs& args,
                     const ProblemShape& shape,
                     DeviceInfo device,
                     Options options) {
  if (config.profile && args.workspace == nullptr) {
    throw Error(
        ErrorCode::kInvalidArgument,
        "a variant that profiles needs a buffer: `flashjit profile` has one, and the variant "
        "without _profile is the same kernel");
  }
  device.sm_count *= config.tiling.cluster_size;  // as many clusters as CTAs that are alone
  const LaunchGeometry geometry = launch_geometry(config, shape, device);
  if (geometry.num_kernels == 0) return {};
  name_parts(config, options);
  options.global_buffers = buffers_of(args);
  FwdParams params = make_fwd_params(args, shape);
  if (config.tiling.family == Family::kSm90) {
    return launch_sm90(config, kernels, args, shape, geometry, params, options);
  }
  // Of its own for each call: NaN where nothing was written, and no neighbour to read or damage.
  const std::size_t bytes = workspace_bytes(config, shape, device);
  std::optional<GuardedBuffer> workspace;
  params.workspace = args.workspace;
  if (bytes > 0 && args.workspace == nullptr) {
    params.workspace = workspace.emplace((bytes + 255) / 256 * 256).data();
  }
  if (bytes > 0) options.global_buffers.push_back({params.workspace, bytes});
  return launch_all(kernels, geometry, params, options);
}

}  // namespace flashjit::emu
