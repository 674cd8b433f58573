#include "module.h"

#include <fmt/format.h>

#include <algorithm>

namespace flashjit {

Module::Module(std::shared_ptr<const Device> device,
               std::span<const std::byte> cubin,
               const std::vector<std::string>& function_names,
               int dynamic_smem_bytes)
    : device_(std::move(device)) {
  const CurrentContext current(*device_);
  const DriverLibrary& driver = device_->driver();
  const CUresult loaded = driver.module_load_data_ex(&module_, cubin.data(), 0, nullptr, nullptr);
  if (loaded != CUDA_SUCCESS) {
    throw Error(loaded == CUDA_ERROR_OUT_OF_MEMORY ? ErrorCode::kOutOfMemory : ErrorCode::kDriver,
                fmt::format("the driver does not load the cubin of {}: {}",
                            function_names.front(),
                            driver.describe(loaded)));
  }
  try {
    for (const std::string& name : function_names) {
      CUfunction function = nullptr;
      driver.check(driver.module_get_function(&function, module_, name.c_str()));
      // With CUDA_MODULE_LOADING=LAZY, the default, the code would go to the device at the first
      // launch, which a graph capture forbids.
      if (driver.func_load != nullptr) driver.check(driver.func_load(function));
      // Above 48 KiB only on request; asking for less does no harm.
      driver.check(driver.func_set_attribute(
          function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, dynamic_smem_bytes));
      functions_.push_back(function);
    }
  } catch (...) {
    driver.module_unload(module_);
    throw;
  }
}

Module::~Module() try {
  const CurrentContext current(*device_);
  device_->driver().module_unload(module_);
} catch (const Error&) {
  // At process exit the driver may be gone before us.
}

int Module::attribute(CUfunction_attribute which) const {
  const CurrentContext current(*device_);
  int largest = 0;
  for (const CUfunction function : functions_) {
    int value = 0;
    device_->driver().check(device_->driver().func_get_attribute(&value, which, function));
    largest = std::max(largest, value);
  }
  return largest;
}

int Module::ctas_per_sm(int threads, int dynamic_smem_bytes) const {
  const CurrentContext current(*device_);
  int ctas = 0;
  device_->driver().check(device_->driver().occupancy(
      &ctas, functions_.front(), threads, static_cast<std::size_t>(dynamic_smem_bytes)));
  return ctas;
}

}  // namespace flashjit
