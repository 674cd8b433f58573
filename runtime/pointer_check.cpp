#include "pointer_check.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>

namespace flashjit {
namespace {

struct Checked {
  const void* pointer = nullptr;
  int ordinal = -1;
};
constexpr std::size_t kRemembered = 32;  // a few calls' worth of q, k, v, o, lse

// Tensors are 16-byte aligned at least, and those of an allocator usually 512: a multiplication
// brings the high bits into play.
Checked& remembered(const void* pointer) {
  thread_local std::array<Checked, kRemembered> slots;
  const auto bits = reinterpret_cast<std::uintptr_t>(pointer) >> 4;
  return slots[(bits * 0x9E3779B97F4A7C15ull) >> 59];
}
static_assert(kRemembered == 1u << (64 - 59));

}  // namespace

void check_device_pointer(const Device& device, const void* pointer, const char* argument) {
  Checked& slot = remembered(pointer);
  if (pointer == nullptr || (slot.pointer == pointer && slot.ordinal == device.ordinal())) return;

  CUmemorytype type = {};
  int ordinal = -1;
  unsigned managed = 0;
  CUpointer_attribute attributes[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                      CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
                                      CU_POINTER_ATTRIBUTE_IS_MANAGED};
  void* values[] = {&type, &ordinal, &managed};
  const CurrentContext current(device);
  // Succeeds for ordinary host memory too, and leaves zeros.
  device.driver().check(device.driver().pointer_get_attributes(
      3, attributes, values, reinterpret_cast<CUdeviceptr>(pointer)));
  if (managed == 0 && type != CU_MEMORYTYPE_DEVICE) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} is at {}, which is host memory; it has to be memory of device {}",
                            argument,
                            pointer,
                            device.ordinal()));
  }
  if (managed == 0 && ordinal != device.ordinal()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} is memory of device {}, but this Runtime runs on device {}; all "
                            "tensors of a call lie on the Runtime's device",
                            argument,
                            ordinal,
                            device.ordinal()));
  }
  slot = {pointer, device.ordinal()};
}

}  // namespace flashjit
