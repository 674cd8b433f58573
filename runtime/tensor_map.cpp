#include "tensor_map.h"

#include <cstring>

namespace flashjit {

TensorMap encode_tensor_map(const DriverLibrary& driver, const TensorMapSpec& spec) {
  constexpr std::array<std::uint32_t, 5> kElementStrides = {1, 1, 1, 1, 1};
  CUtensorMap map;
  driver.check(driver.tensor_map_encode_tiled(
      &map,
      spec.dtype == Dtype::kBf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
                                 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
      static_cast<cuuint32_t>(spec.dims.size()),
      spec.base,
      spec.dims.data(),
      spec.strides.data(),
      spec.box.data(),
      kElementStrides.data(),
      CU_TENSOR_MAP_INTERLEAVE_NONE,
      CU_TENSOR_MAP_SWIZZLE_128B,
      // Rows are 128 bytes and the next panel's 128 follow: fetch both into L2 at once.
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  TensorMap opaque;
  static_assert(sizeof opaque == sizeof map);
  std::memcpy(&opaque, &map, sizeof map);
  return opaque;
}

}  // namespace flashjit
