// One CUDA device: its primary context, kept alive, and what kernels need to know of it.
#pragma once

#include <memory>

#include "driver_library.h"
#include "flashjit/runtime.h"

namespace flashjit {

// Retains the primary context, the one that cudart and every library in the process share. Calls
// work whatever context the calling thread has current.
class Device {
 public:
  // Throws Error(kInvalidArgument) when there is no device `ordinal`.
  Device(std::shared_ptr<const DriverLibrary> driver, int ordinal);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DriverLibrary& driver() const { return *driver_; }
  const DeviceInfo& info() const { return info_; }
  int ordinal() const { return ordinal_; }
  CUcontext context() const { return context_; }
  bool has_memory_pools() const { return has_memory_pools_; }

 private:
  std::shared_ptr<const DriverLibrary> driver_;
  int ordinal_;
  CUdevice device_ = 0;
  CUcontext context_ = nullptr;
  DeviceInfo info_;
  bool has_memory_pools_ = false;
};

// Makes the device's context current for a scope. Costs one look-up when it already is, as in any
// program that uses one device.
class CurrentContext {
 public:
  explicit CurrentContext(const Device& device);
  ~CurrentContext();
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;

 private:
  const Device& device_;
  CUcontext previous_ = nullptr;
};

}  // namespace flashjit
