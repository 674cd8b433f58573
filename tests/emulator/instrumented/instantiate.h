// How the files of this folder make their variants; compiled with flashjit_emulate().
#pragma once
#include "emulator/emulate.h"
#include "instrumented/variants.h"

namespace flashjit::test {

constexpr Problem problem_of(Dtype dtype, int head_dim, MaskKind mask, bool lse) {
  return {.dtype = dtype,
          .head_dim_qk = head_dim,
          .head_dim_v = head_dim,
          .mask = mask,
          .return_lse = lse};
}

template <KernelConfig... kConfigs>
std::vector<Instrumented> instantiate() {
  return {{kConfigs, &emulate<kConfigs>}...};
}

}  // namespace flashjit::test
