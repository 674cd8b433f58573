// Tensor maps of an sm90 launch as plain numbers, and which problems TMA can express. Encoding them
// is the backend's: cuTensorMapEncodeTiled, or the emulator.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "problem.h"

namespace flashjit {

// Arguments of cuTensorMapEncodeTiled; rank 5, 16-bit elements, no interleave, element strides 1,
// zero fill. Innermost dimension first: columns, rows (seqlen), panels of 64 columns, heads, batch.
struct TensorMapSpec {
  void* base = nullptr;
  Dtype dtype = Dtype::kBf16;
  std::array<std::uint64_t, 5> dims{};     // elements
  std::array<std::uint64_t, 4> strides{};  // bytes, of dims 1 … 4
  std::array<std::uint32_t, 5> box{};      // elements
  int swizzle_bytes = 128;                 // or 64 or 32; from a row in shared memory to the next

  bool operator==(const TensorMapSpec&) const = default;
};

struct Sm90TensorMaps {
  TensorMapSpec q, k, v, o;
  // Of the last panel, where it has its own (Sm90FwdParams).
  std::optional<TensorMapSpec> q_tail, k_tail, v_tail, o_tail;
};

// For a validated call that sm90_supports().
Sm90TensorMaps sm90_tensor_maps(const KernelConfig& config,
                                const AttentionArgs& args,
                                const ProblemShape& shape);

// nullptr when the sm90 family can run the problem; else the reason (an input broadcast by stride
// 0, no key at all, a scale that is not positive …), and the sm80 family takes it.
const char* why_not_sm90(const Problem& problem, const ProblemShape& shape);
inline bool sm90_supports(const Problem& problem, const ProblemShape& shape) {
  return why_not_sm90(problem, shape) == nullptr;
}

}  // namespace flashjit
