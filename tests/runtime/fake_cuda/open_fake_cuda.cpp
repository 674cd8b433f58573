#include "runtime/fake_cuda/open_fake_cuda.h"

#include <dlfcn.h>

#include "support/catch.h"

namespace flashjit::test {

FakeCuda& fresh_fake_cuda() {
  // Without the libraries that only real calls need.
  static void* library = dlopen(FLASHJIT_FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  auto* get = reinterpret_cast<decltype(&fake_cuda)>(dlsym(library, "fake_cuda"));
  REQUIRE(get != nullptr);
  FakeCuda& fake = *get();
  fake = FakeCuda{};
  return fake;
}

const char* fake_cuda_path() { return FLASHJIT_FAKE_CUDA; }

Settings fake_cuda_settings() {
  Settings settings;
  settings.libcuda = FLASHJIT_FAKE_CUDA;
  settings.libnvrtc = "/no/such/libnvrtc.so";
  return settings;
}

}  // namespace flashjit::test
