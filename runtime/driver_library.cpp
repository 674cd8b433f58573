#include "driver_library.h"

#include <fmt/format.h>

#include <filesystem>

namespace flashjit {
namespace {

constexpr const char* kAdvice =
    "The CUDA driver cannot be opened. Install the NVIDIA driver (12.0 or newer), in a container "
    "run with GPU access, or set FLASHJIT_LIBCUDA to the path of libcuda.so.1.";

}  // namespace

DriverLibrary::DriverLibrary(const std::string& path)
    : library_({path.empty() ? "libcuda.so.1" : path}, ErrorCode::kNoDriver, kAdvice) {
  library_.load("cuGetErrorName", get_error_name_);
  library_.load("cuGetErrorString", get_error_string_);
  load_device_functions();
  load_memory_and_stream_functions();

  decltype(cuInit)* init = nullptr;
  decltype(cuDriverGetVersion)* driver_get_version = nullptr;
  decltype(cuDeviceGetCount)* device_get_count = nullptr;
  library_.load("cuInit", init);
  library_.load("cuDriverGetVersion", driver_get_version);
  library_.load("cuDeviceGetCount", device_get_count);
  if (const CUresult result = init(0); result != CUDA_SUCCESS) {
    throw Error(
        ErrorCode::kNoDriver,
        fmt::format("The CUDA driver {} does not start: {}", this->path(), describe(result)));
  }
  check(driver_get_version(&version_));
  check(device_get_count(&device_count_));
  if (device_count_ == 0) {
    throw Error(ErrorCode::kNoDriver,
                "The CUDA driver sees no device. Check nvidia-smi and CUDA_VISIBLE_DEVICES.");
  }
}

void DriverLibrary::load_device_functions() {
  library_.load("cuDeviceGet", device_get);
  library_.load("cuDeviceGetName", device_get_name);
  library_.load("cuDeviceGetPCIBusId", device_get_pci_bus_id);
  library_.load("cuDeviceGetAttribute", device_get_attribute);
  library_.load("cuDeviceTotalMem_v2", device_total_mem);
  library_.load("cuDevicePrimaryCtxRetain", primary_ctx_retain);
  library_.load("cuDevicePrimaryCtxRelease_v2", primary_ctx_release);
  library_.load("cuCtxGetCurrent", ctx_get_current);
  library_.load("cuCtxSetCurrent", ctx_set_current);
  library_.load("cuCtxSynchronize", ctx_synchronize);
  library_.load("cuModuleLoadDataEx", module_load_data_ex);
  library_.load("cuModuleUnload", module_unload);
  library_.load("cuModuleGetFunction", module_get_function);
  func_load = reinterpret_cast<decltype(func_load)>(library_.find("cuFuncLoad"));
  library_.load("cuFuncSetAttribute", func_set_attribute);
  library_.load("cuFuncGetAttribute", func_get_attribute);
  library_.load("cuOccupancyMaxActiveBlocksPerMultiprocessor", occupancy);
  library_.load("cuLaunchKernelEx", launch_kernel_ex);
  library_.load("cuTensorMapEncodeTiled", tensor_map_encode_tiled);
}

void DriverLibrary::load_memory_and_stream_functions() {
  library_.load("cuPointerGetAttributes", pointer_get_attributes);
  library_.load("cuMemAlloc_v2", mem_alloc);
  library_.load("cuMemFree_v2", mem_free);
  library_.load("cuMemAllocAsync", mem_alloc_async);
  library_.load("cuMemFreeAsync", mem_free_async);
  library_.load("cuMemcpyHtoDAsync_v2", memcpy_htod_async);
  library_.load("cuMemcpyDtoHAsync_v2", memcpy_dtoh_async);
  library_.load("cuMemcpy2DAsync_v2", memcpy_2d_async);
  library_.load("cuMemsetD8Async", memset_d8_async);
  library_.load("cuStreamCreate", stream_create);
  library_.load("cuStreamDestroy_v2", stream_destroy);
  library_.load("cuStreamSynchronize", stream_synchronize);
  library_.load("cuStreamIsCapturing", stream_is_capturing);
  library_.load("cuStreamBeginCapture_v2", stream_begin_capture);
  library_.load("cuStreamEndCapture", stream_end_capture);
  library_.load("cuGraphInstantiateWithFlags", graph_instantiate);
  library_.load("cuGraphLaunch", graph_launch);
  library_.load("cuGraphExecDestroy", graph_exec_destroy);
  library_.load("cuGraphDestroy", graph_destroy);
  library_.load("cuGraphGetNodes", graph_get_nodes);
  library_.load("cuGraphNodeGetType", graph_node_get_type);
  library_.load("cuGraphKernelNodeGetParams_v2", graph_kernel_node_get_params);
  library_.load("cuEventCreate", event_create);
  library_.load("cuEventDestroy_v2", event_destroy);
  library_.load("cuEventRecord", event_record);
  library_.load("cuEventRecordWithFlags", event_record_with_flags);
  library_.load("cuEventSynchronize", event_synchronize);
  library_.load("cuEventElapsedTime", event_elapsed_time);
}

std::string DriverLibrary::describe(CUresult result) const {
  const char* name = nullptr;
  const char* meaning = nullptr;
  get_error_name_(result, &name);
  get_error_string_(result, &meaning);
  return fmt::format("{} ({}): {}",
                     name != nullptr ? name : "unknown CUDA error",
                     static_cast<int>(result),
                     meaning != nullptr ? meaning : "no description");
}

void DriverLibrary::fail(CUresult result, const std::source_location& where) const {
  const ErrorCode code =
      result == CUDA_ERROR_OUT_OF_MEMORY ? ErrorCode::kOutOfMemory : ErrorCode::kDriver;
  const std::string file = std::filesystem::path(where.file_name()).filename();
  throw Error(code, fmt::format("{} [{}:{}]", describe(result), file, where.line()));
}

}  // namespace flashjit
