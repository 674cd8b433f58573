// What the fake libcuda has been told to be and what was asked of it. A test opens the same library
// as the code under test and reads this.
//
// Two variables speak to the fake of another process: FAKE_CUDA_DRIVER, the driver's version
// (12080), and FAKE_CUDA_CC, the compute capability (86).
#pragma once

#include <cuda.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace flashjit::test {

inline CUcontext primary_context(CUdevice device) {
  return reinterpret_cast<CUcontext>(0xC0 + static_cast<std::uintptr_t>(device));
}

struct FakePointer {
  CUmemorytype type = CU_MEMORYTYPE_DEVICE;
  int ordinal = 0;
  bool managed = false;
};

struct FakeLaunch {
  CUfunction function;
  CUlaunchConfig config;
  std::vector<std::byte> params;  // the first argument
  CUcontext context;              // current at the launch
};

struct FakeTensorMap {
  const void* base;
  std::array<std::uint64_t, 5> dims;
  unsigned box_columns;
  int swizzle;  // CUtensorMapSwizzle
};

struct FakeCuda {
  // Told.
  int device_count = 2;
  int major = 9, minor = 0;
  CUresult launch_result = CUDA_SUCCESS;
  CUresult module_load_result = CUDA_SUCCESS;
  CUresult capture_result = CUDA_SUCCESS;
  bool capturing = false;
  std::size_t param_bytes = 0;                     // what launches copy of their argument
  std::map<std::uintptr_t, FakePointer> pointers;  // others are host memory

  // Seen.
  std::vector<std::string_view> calls;  // every entry point that was called, by name
  CUcontext current = nullptr;
  int retained_contexts = 0;
  int loaded_modules = 0;
  int loaded_functions = 0;  // by cuFuncLoad
  int live_allocations = 0;
  int pointer_queries = 0;
  std::vector<std::string> functions;  // by name; the handle is the number
  std::vector<FakeLaunch> launches;
  std::vector<FakeTensorMap> tensor_maps;
  std::vector<std::string> async_calls;  // "alloc 3", "launch 3", "free 3": what, on which stream
  std::uintptr_t next_address = 0x100000;
};

}  // namespace flashjit::test

// Exported by the library.
extern "C" flashjit::test::FakeCuda* fake_cuda();
