// The kernels of the cases as the host's compiler sees them; compiled with flashjit_emulate().
#include <cstring>
#include <map>
#include <stdexcept>

#include "conformance/cases.h"
#include "conformance/ptx_cases_cluster.cuh"
#include "emulator/backend/variant_launch.h"
#include "emulator/core/launch.h"

namespace flashjit::conformance {
namespace {

using Kernel = void (*)(const Args&);

#define FLASHJIT_CASE(name)                             \
  {                                                     \
#name, { &name<Dtype::kFp16>, &name<Dtype::kBf16> } \
  }
const std::map<std::string, std::array<Kernel, 2>> kernels = {
    FLASHJIT_CASE(dynamic_smem),
    FLASHJIT_CASE(ld_shared_u16),
    FLASHJIT_CASE(ld_shared_u32),
    FLASHJIT_CASE(ld_shared_f32),
    FLASHJIT_CASE(ld_shared_v4),
    FLASHJIT_CASE(st_shared_u16),
    FLASHJIT_CASE(st_shared_u32),
    FLASHJIT_CASE(st_shared_f32),
    FLASHJIT_CASE(st_shared_v4),
    FLASHJIT_CASE(bar_sync),
    FLASHJIT_CASE(bar_arrive),
    FLASHJIT_CASE(bar_red_or),
    FLASHJIT_CASE(sm_clock),
    FLASHJIT_CASE(global_timer),
    FLASHJIT_CASE(sm_id),
    FLASHJIT_CASE(st_global_v4_if),
    FLASHJIT_CASE(cp_async_16),
    FLASHJIT_CASE(cp_async_commit),
    FLASHJIT_CASE(cp_async_wait),
    FLASHJIT_CASE(exp2_approx),
    FLASHJIT_CASE(log2_approx),
    FLASHJIT_CASE(rcp_approx),
    FLASHJIT_CASE(max_f32),
    FLASHJIT_CASE(pack),
    FLASHJIT_CASE(to_float),
    FLASHJIT_CASE(ldmatrix_x4),
    FLASHJIT_CASE(ldmatrix_x2),
    FLASHJIT_CASE(ldmatrix_x4_trans),
    FLASHJIT_CASE(ldmatrix_x2_trans),
    FLASHJIT_CASE(mma_m16n8k16),
    FLASHJIT_CASE(stmatrix_x4),
    FLASHJIT_CASE(mbarrier_init),
    FLASHJIT_CASE(mbarrier_arrive),
    FLASHJIT_CASE(mbarrier_arrive_if),
    FLASHJIT_CASE(mbarrier_arrive_expect_tx),
    FLASHJIT_CASE(mbarrier_try_wait_parity),
    FLASHJIT_CASE(fence_mbarrier_init),
    FLASHJIT_CASE(fence_proxy_async),
    FLASHJIT_CASE(prefetch_tensor_map),
    FLASHJIT_CASE(tma_load_5d),
    FLASHJIT_CASE(tma_load_5d_multicast),
    FLASHJIT_CASE(tma_store_5d),
    FLASHJIT_CASE(bulk_commit),
    FLASHJIT_CASE(bulk_wait),
    FLASHJIT_CASE(bulk_wait_read),
    FLASHJIT_CASE(cluster_rank),
    FLASHJIT_CASE(map_shared),
    FLASHJIT_CASE(mbarrier_arrive_cluster),
    FLASHJIT_CASE(mbarrier_arrive_release_cluster),
    FLASHJIT_CASE(mbarrier_try_wait_parity_cluster),
    FLASHJIT_CASE(st_async_u32),
    FLASHJIT_CASE(cluster_sync),
    FLASHJIT_CASE(wgmma_fence),
    FLASHJIT_CASE(wgmma_commit),
    FLASHJIT_CASE(wgmma_wait),
    FLASHJIT_CASE(pin_registers),
    FLASHJIT_CASE(wgmma_ss),
    FLASHJIT_CASE(wgmma_rs),
    FLASHJIT_CASE(setmaxnreg_inc),
    FLASHJIT_CASE(setmaxnreg_dec),
};
#undef FLASHJIT_CASE

struct alignas(128) Buffer {
  u32 words[kWords];
};

}  // namespace

Words run_emulated(const Case& test_case, Dtype dtype, const Words& in, std::uint64_t seed) {
  const Kernel kernel = kernels.at(test_case.name)[dtype == Dtype::kBf16];
  const auto from = std::make_unique<Buffer>(), to = std::make_unique<Buffer>();
  std::memcpy(from->words, in.data(), sizeof *from);
  std::fill_n(to->words, kWords, kUntouched);
  const Args args = {.map_in = emu::encode_tensor_map(tensor_of(from->words, dtype)),
                     .map_out = emu::encode_tensor_map(tensor_of(to->words, dtype)),
                     .in = from->words,
                     .out = to->words};
  emu::Options options;
  options.seed = seed;
  options.max_steps = 20'000'000;
  options.global_buffers = {{from->words, sizeof *from}, {to->words, sizeof *to}};
  const auto ctas = static_cast<unsigned>(test_case.ctas);
  emu::launch(
      {ctas, 1, 1},
      {static_cast<unsigned>(test_case.threads), 1, 1},
      kSmemBytes,
      [&] { kernel(args); },
      options,
      ctas);
  return Words(to->words, to->words + kWords);
}

}  // namespace flashjit::conformance
