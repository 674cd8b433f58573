// Runs a variant that this program instantiates itself: kernel text, host compiler, emulator,
// without the runtime's compile and cache. The files that include it are compiled with
// flashjit_emulate().
#pragma once
#include "emulator/backend/variant_launch.h"
#include "runtime/problem.h"
#include "simt/fwd_kernel.cuh"
#include "sm80/fwd_kernel.cuh"
#include "sm90/fwd_kernel.cuh"
#include "standard/kernels.cuh"

namespace flashjit::test {

// The kernels of a variant, in launch order.
template <KernelConfig kConfig>
std::vector<emu::Entry> entries_of() {
  static_assert(is_legal(kConfig), "see why_illegal()");
  const auto entry = [](void (*kernel)(FwdParams)) { return reinterpret_cast<emu::Entry>(kernel); };
  if constexpr (kConfig.tiling.family == Family::kSm90) {
    void (*const kernel)(Sm90FwdParams) = [](Sm90FwdParams params) { fwd_sm90<kConfig>(params); };
    return {reinterpret_cast<emu::Entry>(kernel)};
  } else if constexpr (kConfig.tiling.family == Family::kSm80) {
    return {entry([](FwdParams params) { fwd_sm80<kConfig>(params); })};
  } else if constexpr (kConfig.tiling.family == Family::kSimt) {
    return {entry([](FwdParams params) { fwd_simt<kConfig>(params); })};
  } else {
    return {entry([](FwdParams params) { standard_scores<kConfig>(params); }),
            entry([](FwdParams params) { standard_mask<kConfig>(params); }),
            entry([](FwdParams params) { standard_row_max<kConfig>(params); }),
            entry([](FwdParams params) { standard_exponentials<kConfig>(params); }),
            entry([](FwdParams params) { standard_normalize<kConfig>(params); }),
            entry([](FwdParams params) { standard_output<kConfig>(params); })};
  }
}

template <KernelConfig kConfig>
emu::Stats emulate(const AttentionArgs& args, const emu::Options& options) {
  return emu::launch_variant(
      kConfig, entries_of<kConfig>(), args, validate(args).shape, emu::emulated_device(), options);
}

}  // namespace flashjit::test
