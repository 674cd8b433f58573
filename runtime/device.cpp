#include "device.h"

#include <fmt/format.h>

#include <utility>

namespace flashjit {
namespace {

int attribute(const DriverLibrary& driver, CUdevice device, CUdevice_attribute which) {
  int value = 0;
  driver.check(driver.device_get_attribute(&value, which, device));
  return value;
}

// Hopper's wgmma and TMA kernels need sm_90a; everything else runs from the plain target, which
// newer devices of the same major version load too.
Arch arch_of(int major, int minor) {
  return {.major = major, .minor = minor, .specific = major == 9 && minor == 0};
}

}  // namespace

Device::Device(std::shared_ptr<const DriverLibrary> driver, int ordinal)
    : driver_(std::move(driver)), ordinal_(ordinal) {
  if (ordinal < 0 || ordinal >= driver_->device_count()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("device {} does not exist; this process sees {} device(s), from 0",
                            ordinal,
                            driver_->device_count()));
  }
  driver_->check(driver_->device_get(&device_, ordinal));
  char name[256] = {};
  driver_->check(driver_->device_get_name(name, sizeof name - 1, device_));
  const auto get = [this](CUdevice_attribute which) { return attribute(*driver_, device_, which); };
  info_.name = name;
  info_.arch = arch_of(get(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
                       get(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
  info_.sm_count = get(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  info_.l2_bytes = static_cast<std::size_t>(get(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE));
  info_.memory_clock_khz = get(CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE);
  info_.driver_version = driver_->version();
  has_memory_pools_ = get(CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED) != 0;
  driver_->check(driver_->device_total_mem(&info_.total_memory, device_));
  driver_->check(driver_->primary_ctx_retain(&context_, device_));
}

// Nothing can be done about a failure, which at process exit is usual: the driver is gone then.
Device::~Device() { driver_->primary_ctx_release(device_); }

CurrentContext::CurrentContext(const Device& device) : device_(device) {
  const DriverLibrary& driver = device.driver();
  driver.check(driver.ctx_get_current(&previous_));
  if (previous_ != device.context()) driver.check(driver.ctx_set_current(device.context()));
}

CurrentContext::~CurrentContext() {
  if (previous_ != device_.context()) device_.driver().ctx_set_current(previous_);
}

}  // namespace flashjit
