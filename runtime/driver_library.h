// libcuda, opened at run time: the Driver API entry points that flashjit and its tools use. Types
// come from cuda.h by decltype, so they follow its version suffixes; the strings to look up, which
// carry the suffix of the ABI, stand in the source.
#pragma once

#include <cuda.h>

#include <source_location>
#include <string>

#include "shared_library.h"

namespace flashjit {

// Immutable after construction; initialised (cuInit).
class DriverLibrary {
 public:
  // `path` is Settings::libcuda; empty means libcuda.so.1. Throws Error(kNoDriver) that says what
  // to install, also when there is no device.
  explicit DriverLibrary(const std::string& path);

  std::string path() const { return library_.path(); }
  int version() const { return version_; }  // 1000 · major + 10 · minor
  int device_count() const { return device_count_; }

  // Throws Error(kDriver) (kOutOfMemory for that) with the name, the number, the meaning and the
  // place of the call.
  void check(CUresult result,
             const std::source_location& where = std::source_location::current()) const {
    if (result != CUDA_SUCCESS) [[unlikely]] {
      fail(result, where);
    }
  }
  // "CUDA_ERROR_INVALID_VALUE (1): invalid argument"
  std::string describe(CUresult result) const;

  decltype(cuDeviceGet)* device_get;
  decltype(cuDeviceGetName)* device_get_name;
  decltype(cuDeviceGetPCIBusId)* device_get_pci_bus_id;
  decltype(cuDeviceGetAttribute)* device_get_attribute;
  decltype(cuDeviceTotalMem)* device_total_mem;
  decltype(cuDevicePrimaryCtxRetain)* primary_ctx_retain;
  decltype(cuDevicePrimaryCtxRelease)* primary_ctx_release;
  decltype(cuCtxGetCurrent)* ctx_get_current;
  decltype(cuCtxSetCurrent)* ctx_set_current;
  decltype(cuCtxSynchronize)* ctx_synchronize;

  decltype(cuModuleLoadDataEx)* module_load_data_ex;
  decltype(cuModuleUnload)* module_unload;
  decltype(cuModuleGetFunction)* module_get_function;
  decltype(cuFuncLoad)* func_load;  // null before CUDA 12.4
  decltype(cuFuncSetAttribute)* func_set_attribute;
  decltype(cuFuncGetAttribute)* func_get_attribute;
  decltype(cuOccupancyMaxActiveBlocksPerMultiprocessor)* occupancy;
  decltype(cuLaunchKernelEx)* launch_kernel_ex;
  decltype(cuTensorMapEncodeTiled)* tensor_map_encode_tiled;

  decltype(cuPointerGetAttributes)* pointer_get_attributes;
  decltype(cuMemAlloc)* mem_alloc;
  decltype(cuMemFree)* mem_free;
  decltype(cuMemAllocAsync)* mem_alloc_async;
  decltype(cuMemFreeAsync)* mem_free_async;
  decltype(cuMemcpyHtoDAsync)* memcpy_htod_async;
  decltype(cuMemcpyDtoHAsync)* memcpy_dtoh_async;
  decltype(cuMemcpy2DAsync)* memcpy_2d_async;
  decltype(cuMemsetD8Async)* memset_d8_async;

  decltype(cuStreamCreate)* stream_create;
  decltype(cuStreamDestroy)* stream_destroy;
  decltype(cuStreamSynchronize)* stream_synchronize;
  decltype(cuStreamIsCapturing)* stream_is_capturing;
  decltype(cuStreamBeginCapture)* stream_begin_capture;
  decltype(cuStreamEndCapture)* stream_end_capture;
  decltype(cuGraphInstantiateWithFlags)* graph_instantiate;
  decltype(cuGraphLaunch)* graph_launch;
  decltype(cuGraphExecDestroy)* graph_exec_destroy;
  decltype(cuGraphDestroy)* graph_destroy;
  decltype(cuGraphGetNodes)* graph_get_nodes;
  decltype(cuGraphNodeGetType)* graph_node_get_type;
  decltype(cuGraphKernelNodeGetParams)* graph_kernel_node_get_params;
  decltype(cuEventCreate)* event_create;
  decltype(cuEventDestroy)* event_destroy;
  decltype(cuEventRecord)* event_record;
  decltype(cuEventRecordWithFlags)* event_record_with_flags;
  decltype(cuEventSynchronize)* event_synchronize;
  decltype(cuEventElapsedTime)* event_elapsed_time;

 private:
  [[noreturn]] void fail(CUresult result, const std::source_location& where) const;
  void load_device_functions();
  void load_memory_and_stream_functions();

  SharedLibrary library_;
  decltype(cuGetErrorName)* get_error_name_;
  decltype(cuGetErrorString)* get_error_string_;
  int version_ = 0;
  int device_count_ = 0;
};

}  // namespace flashjit
