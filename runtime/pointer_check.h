// Whether a pointer is memory of this device.
#pragma once

#include "device.h"

namespace flashjit {

// Throws Error(kInvalidArgument) naming `argument` unless `pointer` is memory of `device`, or
// managed memory. Null passes: whether it may be null is validate()'s business. What a thread
// checked last is remembered, so that a warm call that uses the same tensors again pays a
// comparison each instead of a driver call each. The price: an address that was this device's
// memory, was freed and came back as somebody else's is not looked up again, and the launch fails
// where this check would have said why.
void check_device_pointer(const Device& device, const void* pointer, const char* argument);

}  // namespace flashjit
