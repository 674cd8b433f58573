// Runs a variant that this program instantiates itself: kernel text, host compiler, emulator,
// without the runtime's compile and cache. The files that include it are compiled with
// flashjit_emulate().
#pragma once
#include "emulator/backend/variant_launch.h"
#include "runtime/problem.h"
#include "simt/fwd_kernel.cuh"
#if __has_include("sm80/fwd_kernel.cuh")
#include "sm80/fwd_kernel.cuh"
#endif
#if __has_include("sm90/fwd_kernel.cuh")
#include "sm90/fwd_kernel.cuh"
#endif

namespace flashjit::test {

template <KernelConfig kConfig>
emu::Stats emulate(const AttentionArgs& args, const emu::Options& options) {
  static_assert(is_legal(kConfig), "see why_illegal()");
  emu::Entry entry = nullptr;
  if constexpr (kConfig.tiling.family == Family::kSm90) {
    entry = reinterpret_cast<emu::Entry>(+[](Sm90FwdParams params) { fwd_sm90<kConfig>(params); });
#if __has_include("sm80/fwd_kernel.cuh")
  } else if constexpr (kConfig.tiling.family == Family::kSm80) {
    entry = reinterpret_cast<emu::Entry>(+[](FwdParams params) { fwd_sm80<kConfig>(params); });
#endif
  } else if constexpr (kConfig.tiling.family == Family::kSimt) {
    entry = reinterpret_cast<emu::Entry>(+[](FwdParams params) { fwd_simt<kConfig>(params); });
  }
  const emu::Entry kernels[] = {entry};
  return emu::launch_variant(
      kConfig, kernels, args, validate(args).shape, emu::emulated_device(), options);
}

}  // namespace flashjit::test
