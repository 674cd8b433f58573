#include "instrumented/instantiate.h"

namespace flashjit::test {
namespace {

constexpr KernelConfig config(Dtype dtype, int head_dim, MaskKind mask, bool lse, int seqlen_q) {
  const Problem problem = problem_of(dtype, head_dim, mask, lse);
  const Arch arch = {8, 0, false};
  return {problem, default_sm80_tiling(problem, arch, seqlen_q), arch};
}
constexpr KernelConfig eager() {
  KernelConfig result = config(Dtype::kBf16, 72, MaskKind::kNone, true, 512);
  result.tiling.rescale = Rescale::kEager;
  result.tiling.num_stages = 3;
  return result;
}

}  // namespace

std::vector<Instrumented> instrumented_sm80() {
  return instantiate<config(Dtype::kBf16, 64, MaskKind::kCausal, true, 512),
                     config(Dtype::kFp16, 128, MaskKind::kCausal, false, 64),
                     eager()>();
}

}  // namespace flashjit::test
