// Tensor map descriptions → the driver's 128 bytes, which TMA instructions read.
#pragma once

#include <cstdint>

#include "driver_library.h"
#include "kernel_src/types.h"
#include "tma_layout.h"

namespace flashjit {

// No driver state is touched, about 0.1 µs each. Throws Error(kDriver) for a description that TMA
// cannot express, which why_not_sm90() has excluded.
TensorMap encode_tensor_map(const DriverLibrary& driver, const TensorMapSpec& spec);

// What a thread encoded last: a call with tensors that it has seen pays comparisons, not the
// driver. A map is a function of its description alone, so that an entry cannot become stale,
// whatever happens to the memory.
class TensorMapMemo {
 public:
  TensorMapMemo();

  // encode_tensor_map(driver, spec), without a lock and without an allocation.
  const TensorMap& get(const DriverLibrary& driver, const TensorMapSpec& spec) const;

 private:
  std::uint64_t id_;
};

}  // namespace flashjit
