#include "instrumented/instantiate.h"

namespace flashjit::test {
namespace {

constexpr KernelConfig config(Dtype dtype, int head_dim, MaskKind mask, bool lse) {
  const Problem problem = problem_of(dtype, head_dim, mask, lse);
  const Arch arch = {8, 0, false};
  return {problem, default_standard_tiling(problem, arch), arch};
}

}  // namespace

std::vector<Instrumented> instrumented_standard() {
  return instantiate<config(Dtype::kFp16, 64, MaskKind::kNone, false),
                     config(Dtype::kBf16, 72, MaskKind::kCausal, true),
                     config(Dtype::kFp32, 64, MaskKind::kCausal, true)>();
}

}  // namespace flashjit::test
