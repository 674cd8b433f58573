#include "instrumented/instantiate.h"

namespace flashjit::test {
namespace {

constexpr KernelConfig config(Dtype dtype, int head_dim, MaskKind mask, bool lse) {
  const Problem problem = problem_of(dtype, head_dim, mask, lse);
  const Arch arch = {8, 0, false};
  return {problem, default_simt_tiling(problem, arch), arch};
}

}  // namespace

std::vector<Instrumented> instrumented_simt() {
  return instantiate<config(Dtype::kFp16, 64, MaskKind::kCausal, true),
                     config(Dtype::kBf16, 256, MaskKind::kNone, false),
                     config(Dtype::kFp32, 72, MaskKind::kCausal, true)>();
}

}  // namespace flashjit::test
