// A libcuda without a GPU: hands out handles, remembers calls. Enough of the Driver API to test
// what the CUDA executor asks of it.
#include "fake_cuda.h"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

using flashjit::test::FakeCuda;
using flashjit::test::FakePointer;

namespace {

FakeCuda state;
std::mutex mutex;  // of state, where threads meet: contexts and modules

template <typename Handle>
Handle handle(std::uintptr_t number) {
  return reinterpret_cast<Handle>(number);
}

void note(const char* what, CUstream stream) {
  state.async_calls.push_back(std::string(what) + " " +
                              std::to_string(reinterpret_cast<std::uintptr_t>(stream)));
}

void seen(const char* function) {
  const std::lock_guard lock(mutex);
  state.calls.emplace_back(function);
}

// What a program under test is told by its environment, else the state.
int number(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoi(text);
}

int device_attribute(CUdevice_attribute attribute) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      return number("FAKE_CUDA_CC", 10 * state.major + state.minor) / 10;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      return number("FAKE_CUDA_CC", 10 * state.major + state.minor) % 10;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      return 132;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
      return 50 << 20;
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
      return 1;
    default:
      return 0;
  }
}

}  // namespace

extern "C" {

FakeCuda* fake_cuda() { return &state; }

CUresult cuInit(unsigned) {
  seen(__func__);
  return CUDA_SUCCESS;
}
CUresult cuDriverGetVersion(int* version) {
  seen(__func__);
  return *version = number("FAKE_CUDA_DRIVER", 13000), CUDA_SUCCESS;
}
CUresult cuDeviceGetCount(int* count) {
  seen(__func__);
  return *count = state.device_count, CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  seen(__func__);
  return *device = ordinal, CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char* name, int bytes, CUdevice) {
  seen(__func__);
  std::strncpy(name, "Fake H100", static_cast<std::size_t>(bytes));
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  seen(__func__);
  return *value = device_attribute(attribute), CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem(std::size_t* bytes, CUdevice) {
  seen(__func__);
  return *bytes = std::size_t{80} << 30, CUDA_SUCCESS;
}
CUresult cuGetErrorName(CUresult result, const char** name) {
  seen(__func__);
  *name = result == CUDA_ERROR_OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_FAKE";
  return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult, const char** text) {
  seen(__func__);
  return *text = "a fake failure", CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  seen(__func__);
  ++state.retained_contexts;
  *context = flashjit::test::primary_context(device);
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease(CUdevice) {
  seen(__func__);
  return --state.retained_contexts, CUDA_SUCCESS;
}
CUresult cuCtxGetCurrent(CUcontext* context) {
  seen(__func__);
  return *context = state.current, CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext context) {
  seen(__func__);
  return state.current = context, CUDA_SUCCESS;
}

CUresult cuModuleLoadDataEx(CUmodule* module, const void*, unsigned, CUjit_option*, void**) {
  seen(__func__);
  const std::lock_guard lock(mutex);
  if (state.module_load_result != CUDA_SUCCESS) return state.module_load_result;
  *module = handle<CUmodule>(1);
  return ++state.loaded_modules, CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule) {
  seen(__func__);
  const std::lock_guard lock(mutex);
  return --state.loaded_modules, CUDA_SUCCESS;
}
CUresult cuModuleGetFunction(CUfunction* function, CUmodule, const char* name) {
  seen(__func__);
  const std::lock_guard lock(mutex);
  state.functions.push_back(name);
  return *function = handle<CUfunction>(state.functions.size()), CUDA_SUCCESS;
}
CUresult cuFuncLoad(CUfunction) {
  seen(__func__);
  const std::lock_guard lock(mutex);
  return ++state.loaded_functions, CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) {
  seen(__func__);
  return CUDA_SUCCESS;
}
CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction) {
  seen(__func__);
  return *value = attribute == CU_FUNC_ATTRIBUTE_NUM_REGS ? 99 : 0, CUDA_SUCCESS;
}
CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction f, void** params, void**) {
  seen(__func__);
  if (state.launch_result != CUDA_SUCCESS) return state.launch_result;
  const auto* bytes = static_cast<const std::byte*>(params[0]);
  state.launches.push_back({f, *config, {bytes, bytes + state.param_bytes}, state.current});
  return note("launch", config->hStream), CUDA_SUCCESS;
}
CUresult cuTensorMapEncodeTiled(CUtensorMap* map,
                                CUtensorMapDataType,
                                cuuint32_t,
                                void* base,
                                const cuuint64_t* dims,
                                const cuuint64_t*,
                                const cuuint32_t* box,
                                const cuuint32_t*,
                                CUtensorMapInterleave,
                                CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion,
                                CUtensorMapFloatOOBfill) {
  seen(__func__);
  *map = {};
  map->opaque[0] = reinterpret_cast<cuuint64_t>(base);
  state.tensor_maps.push_back(
      {base, {dims[0], dims[1], dims[2], dims[3], dims[4]}, box[0], swizzle});
  return CUDA_SUCCESS;
}

CUresult cuPointerGetAttributes(unsigned count,
                                CUpointer_attribute* attributes,
                                void** values,
                                CUdeviceptr pointer) {
  seen(__func__);
  ++state.pointer_queries;
  const auto known = state.pointers.find(static_cast<std::uintptr_t>(pointer));
  for (unsigned i = 0; i < count; ++i) {
    const bool found = known != state.pointers.end();
    const FakePointer answer = found ? known->second : FakePointer{CUmemorytype(0), 0, false};
    const int value = attributes[i] == CU_POINTER_ATTRIBUTE_MEMORY_TYPE      ? int(answer.type)
                      : attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL ? answer.ordinal
                                                                             : int(answer.managed);
    std::memcpy(values[i], &value, sizeof value);
  }
  return CUDA_SUCCESS;
}
CUresult cuMemAlloc(CUdeviceptr* address, std::size_t bytes) {
  seen(__func__);
  *address = state.next_address;
  const bool second = state.current == flashjit::test::primary_context(1);
  state.pointers[*address] = {CU_MEMORYTYPE_DEVICE, second ? 1 : 0, false};
  state.next_address += bytes;
  return ++state.live_allocations, CUDA_SUCCESS;
}
CUresult cuMemFree(CUdeviceptr) {
  seen(__func__);
  return --state.live_allocations, CUDA_SUCCESS;
}
CUresult cuMemAllocAsync(CUdeviceptr* address, std::size_t bytes, CUstream stream) {
  seen(__func__);
  note("alloc", stream);
  return cuMemAlloc(address, bytes);
}
CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  seen(__func__);
  note("free", stream);
  return cuMemFree(address);
}
CUresult cuMemsetD8Async(CUdeviceptr, unsigned char, std::size_t, CUstream) {
  seen(__func__);
  return CUDA_SUCCESS;
}
// Device memory is made up: what is copied to it is gone, what comes from it is zero.
CUresult cuMemcpyHtoDAsync(CUdeviceptr, const void*, std::size_t, CUstream) {
  seen(__func__);
  return CUDA_SUCCESS;
}
CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr, std::size_t bytes, CUstream) {
  seen(__func__);
  std::memset(to, 0, bytes);
  return CUDA_SUCCESS;
}
CUresult cuMemcpy2DAsync(const CUDA_MEMCPY2D* copy, CUstream) {
  seen(__func__);
  for (std::size_t row = 0; row < copy->Height; ++row)
    std::memset(static_cast<char*>(copy->dstHost) + row * copy->dstPitch, 0, copy->WidthInBytes);
  return CUDA_SUCCESS;
}
CUresult cuStreamSynchronize(CUstream) {
  seen(__func__);
  return CUDA_SUCCESS;
}
CUresult cuStreamIsCapturing(CUstream, CUstreamCaptureStatus* status) {
  seen(__func__);
  *status = state.capturing ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
  return state.capture_result;
}

}  // extern "C"
