#include "cuda_executor.h"

#include <fmt/format.h>

#include <optional>

#include "kernel_src/variant_plan.h"
#include "pointer_check.h"
#include "tensor_map.h"
#include "tile_schedule.h"
#include "variant_source.h"

namespace flashjit {
namespace {

// Memory of one launch: allocated and freed in stream order, which costs no synchronisation and is
// allowed while capturing.
class StreamMemory {
 public:
  StreamMemory(const Device& device, std::size_t bytes, CUstream stream)
      : device_(device), bytes_(bytes), stream_(stream) {
    if (!device.has_memory_pools()) {
      throw Error(ErrorCode::kNotSupported,
                  fmt::format("device {} cannot allocate on a stream; pass a workspace of {} bytes",
                              device.ordinal(),
                              bytes));
    }
    device.driver().check(device.driver().mem_alloc_async(&address_, bytes, stream));
  }
  ~StreamMemory() { device_.driver().mem_free_async(address_, stream_); }
  StreamMemory(const StreamMemory&) = delete;
  StreamMemory& operator=(const StreamMemory&) = delete;

  void* data() const { return reinterpret_cast<void*>(address_); }
  void zero() const {
    device_.driver().check(device_.driver().memset_d8_async(address_, 0, bytes_, stream_));
  }

 private:
  const Device& device_;
  const std::size_t bytes_;
  const CUstream stream_;
  CUdeviceptr address_ = 0;
};

// The caller's workspace, which must be large enough; null where none was passed.
void* callers_workspace(const AttentionArgs& args, std::size_t bytes) {
  if (args.workspace != nullptr && args.workspace_size < bytes) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("workspace_size is {} bytes; this call needs {}", args.workspace_size, bytes));
  }
  return args.workspace;
}

void launch_kernel(const DriverLibrary& driver,
                   CUfunction function,
                   const Grid& grid,
                   const LaunchGeometry& geometry,
                   void* params,
                   CUstream stream) {
  CUlaunchConfig config = {};
  config.gridDimX = grid.x;
  config.gridDimY = grid.y;
  config.gridDimZ = grid.z;
  config.blockDimX = static_cast<unsigned>(geometry.threads);
  config.blockDimY = 1;
  config.blockDimZ = 1;
  config.sharedMemBytes = static_cast<unsigned>(geometry.smem_bytes);
  config.hStream = stream;
  void* arguments[] = {params};
  driver.check(driver.launch_kernel_ex(&config, function, arguments, nullptr));
}

}  // namespace

CudaKernel::CudaKernel(std::shared_ptr<const Device> device,
                       const KernelConfig& config,
                       std::span<const std::byte> cubin)
    : module_(std::move(device), cubin, kernel_names(config), smem_bytes(config)) {
  resources_.registers = module_.attribute(CU_FUNC_ATTRIBUTE_NUM_REGS);
  resources_.stack_bytes = module_.attribute(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
  resources_.static_smem_bytes = module_.attribute(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
  resources_.dynamic_smem_bytes = smem_bytes(config);
  resources_.threads = num_threads(config);
}

CudaExecutor::CudaExecutor(const Settings& settings, int device)
    : nvrtc_file_(find_nvrtc_file(settings.libnvrtc)),
      compiler_(
          std::async(settings.offline || nvrtc_file_ ? std::launch::deferred : std::launch::async,
                     [path = settings.libnvrtc]() -> std::shared_ptr<const Compiler> {
                       return std::make_shared<Compiler>(std::make_shared<NvrtcLibrary>(path));
                     })),
      device_(std::make_shared<Device>(std::make_shared<DriverLibrary>(settings.libcuda), device)),
      tile_counters_(device_) {}

CudaExecutor::~CudaExecutor() = default;

std::string CudaExecutor::compiler_build() const {
  return nvrtc_file_ ? "nvrtc " + nvrtc_file_->build : compiler_.get()->build();
}

Binary CudaExecutor::compile(const VariantSource& source, const KernelSources& sources) const {
  const Compiler& compiler = *compiler_.get();
  if (compiler.build() != compiler_build()) {
    throw Error(
        ErrorCode::kNoCompiler,
        fmt::format("{} was {} when this Runtime was made and is {} now; make a new Runtime",
                    nvrtc_file_->path,
                    compiler_build(),
                    compiler.build()));
  }
  return compiler.compile(source, sources);
}

std::unique_ptr<LoadedKernel> CudaExecutor::load(const KernelConfig& config,
                                                 std::span<const std::byte> code) const {
  return std::make_unique<CudaKernel>(device_, config, code);
}

void CudaExecutor::launch(const LoadedKernel& kernel,
                          const KernelConfig& config,
                          const AttentionArgs& args,
                          const ProblemShape& shape,
                          Stream stream) const {
  const LaunchGeometry geometry = launch_geometry(config, shape, device());
  if (geometry.num_kernels == 0) return;
  const CurrentContext current(*device_);
  const auto functions = static_cast<const CudaKernel&>(kernel).module().functions();
  if (config.tiling.family == Family::kSm90) {
    launch_sm90(functions.front(), config, args, shape, geometry, stream);
    return;
  }
  FwdParams params = make_fwd_params(args, shape);
  const std::size_t bytes = workspace_bytes(config, shape, device());
  params.workspace = callers_workspace(args, bytes);
  std::optional<StreamMemory> allocated;
  if (bytes > 0 && params.workspace == nullptr)
    params.workspace = allocated.emplace(*device_, bytes, stream).data();
  for (int i = 0; i < geometry.num_kernels; ++i) {
    const auto at = static_cast<std::size_t>(i);
    launch_kernel(device_->driver(), functions[at], geometry.grids[at], geometry, &params, stream);
  }
}

void CudaExecutor::launch_sm90(CUfunction function,
                               const KernelConfig& config,
                               const AttentionArgs& args,
                               const ProblemShape& shape,
                               const LaunchGeometry& geometry,
                               CUstream stream) const {
  const DriverLibrary& driver = device_->driver();
  const Sm90TensorMaps maps = sm90_tensor_maps(config, args, shape);
  const auto get_if = [&](const std::optional<TensorMapSpec>& spec) {
    return spec ? tensor_maps_.get(driver, *spec) : TensorMap{};
  };
  Sm90FwdParams params = {.q = tensor_maps_.get(driver, maps.q),
                          .k = tensor_maps_.get(driver, maps.k),
                          .v = tensor_maps_.get(driver, maps.v),
                          .o = tensor_maps_.get(driver, maps.o),
                          .q_tail = get_if(maps.q_tail),
                          .k_tail = get_if(maps.k_tail),
                          .v_tail = get_if(maps.v_tail),
                          .o_tail = get_if(maps.o_tail),
                          .fwd = make_fwd_params(args, shape),
                          .schedule = geometry.schedule};
  std::optional<StreamMemory> counter;  // where none is left
  if (config.profile) {
    params.fwd.workspace = args.workspace;  // its header holds the tile counters
  } else if (config.tiling.schedule == Schedule::kDynamic) {
    params.fwd.workspace = tile_counters_.get(stream, query_capture(stream));
    if (params.fwd.workspace == nullptr) {
      params.fwd.workspace = counter.emplace(*device_, kTileCounterBytes, stream).data();
      counter->zero();
    }
  }
  launch_kernel(driver, function, geometry.grids[0], geometry, &params, stream);
}

bool CudaExecutor::is_capturing(Stream stream) const {
  const CurrentContext current(*device_);
  return query_capture(stream);
}

bool CudaExecutor::query_capture(CUstream stream) const {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  const CUresult result = device_->driver().stream_is_capturing(stream, &status);
  // The legacy stream may not even be asked while a blocking stream captures: its work would join
  // the capture.
  if (result == CUDA_ERROR_STREAM_CAPTURE_IMPLICIT) return true;
  device_->driver().check(result);
  return status != CU_STREAM_CAPTURE_STATUS_NONE;
}

void CudaExecutor::check_pointers(const AttentionArgs& args) const {
  check_device_pointer(*device_, args.q.data, "q.data");
  check_device_pointer(*device_, args.k.data, "k.data");
  check_device_pointer(*device_, args.v.data, "v.data");
  check_device_pointer(*device_, args.o.data, "o.data");
  if (args.lse != nullptr) check_device_pointer(*device_, args.lse, "lse");
  if (args.workspace != nullptr) check_device_pointer(*device_, args.workspace, "workspace");
}

}  // namespace flashjit
