#include "tensor_map.h"

#include <cstring>

#include "thread_memo.h"

namespace flashjit {
namespace {

// K and V of 100 layers and what they share; 64 KB for each thread that calls.
constexpr int kPlaceBits = 7;

struct Slot {
  std::uint64_t id = 0;  // 0: free
  TensorMapSpec spec;
  TensorMap map{};
};

using Memo = ThreadMemo<Slot, kPlaceBits>;

CUtensorMapSwizzle swizzle_of(int bytes) {
  if (bytes == 128) return CU_TENSOR_MAP_SWIZZLE_128B;
  return bytes == 64 ? CU_TENSOR_MAP_SWIZZLE_64B : CU_TENSOR_MAP_SWIZZLE_32B;
}

Mixer hash_of(std::uint64_t id, const TensorMapSpec& spec) {
  Mixer mixer;
  mixer.add(id);
  mixer.add(reinterpret_cast<std::uintptr_t>(spec.base));
  mixer.add(spec.dims[1] << 32 | spec.box[1] << 16 | spec.box[0]);
  mixer.add(spec.strides[0] ^ spec.dims[4] << 40);
  return mixer;
}

}  // namespace

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
      swizzle_of(spec.swizzle_bytes),
      // The panels of a row follow each other, 128 bytes each: fetch two into L2 at once.
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  TensorMap opaque;
  static_assert(sizeof opaque == sizeof map);
  std::memcpy(&opaque, &map, sizeof map);
  return opaque;
}

TensorMapMemo::TensorMapMemo() : id_(next_memo_id()) {}

const TensorMap& TensorMapMemo::get(const DriverLibrary& driver, const TensorMapSpec& spec) const {
  const Mixer hash = hash_of(id_, spec);
  const Slot* slot = Memo::find(
      hash, [&](const Slot& candidate) { return candidate.id == id_ && candidate.spec == spec; });
  return slot != nullptr ? slot->map
                         : Memo::put(hash, {id_, spec, encode_tensor_map(driver, spec)}).map;
}

}  // namespace flashjit
