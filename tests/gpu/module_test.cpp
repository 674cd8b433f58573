// What a real driver does with a module that CudaExecutor loads.
#include "module.h"

#include <dlfcn.h>

#include "cuda_executor.h"
#include "gpu/cuda_test_device.h"
#include "kernel_registry.h"
#include "support/catch.h"
#include "variant_name.h"

namespace flashjit::test {

TEST_CASE("a loaded variant is on the device before its first launch") {
  void* library = dlopen("libcuda.so.1", RTLD_NOW);
  REQUIRE(library != nullptr);
  const auto is_loaded =
      reinterpret_cast<decltype(&cuFuncIsLoaded)>(dlsym(library, "cuFuncIsLoaded"));
  if (is_loaded == nullptr) {
    WARN("a driver before CUDA 12.4 cannot tell: skipped");
    return;
  }
  const CudaExecutor executor(read_settings(), 0);
  const KernelConfig config =
      *parse_variant_name("fwd_simt_fp32_d8_m16n16", executor.device().arch);
  const KernelSources sources = KernelSources::embedded();
  const Binary binary = executor.compile(make_variant_source(config, sources), sources);
  const std::unique_ptr<LoadedKernel> kernel = executor.load(config, binary.code);
  const CurrentContext current(*executor.cuda_device());
  for (const CUfunction function : static_cast<const CudaKernel&>(*kernel).module().functions()) {
    CUfunctionLoadingState state = CU_FUNCTION_LOADING_STATE_UNLOADED;
    REQUIRE(is_loaded(&state, function) == CUDA_SUCCESS);
    CHECK(state == CU_FUNCTION_LOADING_STATE_LOADED);
  }
}

}  // namespace flashjit::test
