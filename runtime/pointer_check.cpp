#include "pointer_check.h"

#include <fmt/format.h>

#include "thread_memo.h"

namespace flashjit {
namespace {

struct Checked {
  const void* pointer = nullptr;
  int ordinal = -1;

  bool operator==(const Checked&) const = default;
};
constexpr int kPlaceBits = 7;  // q, k, v, o of the layers of a model; 4 KB for each thread
using Memo = ThreadMemo<Checked, kPlaceBits>;

}  // namespace

void check_device_pointer(const Device& device, const void* pointer, const char* argument) {
  if (pointer == nullptr) return;
  const Checked good = {pointer, device.ordinal()};
  Mixer hash;
  hash.add(reinterpret_cast<std::uintptr_t>(pointer));
  if (Memo::find(hash, [&](const Checked& checked) { return checked == good; }) != nullptr) return;

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
  Memo::put(hash, good);
}

}  // namespace flashjit
