#include "cpu/block_attention.h"

#include "cpu/block_kernel.h"

namespace flashjit::cpu {
namespace {

// Four rows of three vectors fill 12 of 16 registers, eight fill 24 of 32.
void run_baseline(const FwdParams& params,
                  const Problem& problem,
                  const RowBlock& block,
                  float* scratch) {
  Block<4, 4>(params, problem, block, scratch).run();
}

#ifdef __x86_64__
[[gnu::target("avx2,fma")]] void run_avx2(const FwdParams& params,
                                          const Problem& problem,
                                          const RowBlock& block,
                                          float* scratch) {
  Block<8, 4>(params, problem, block, scratch).run();
}

[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma")]] void run_avx512(const FwdParams& params,
                                                                          const Problem& problem,
                                                                          const RowBlock& block,
                                                                          float* scratch) {
  Block<16, 8>(params, problem, block, scratch).run();
}
#endif

}  // namespace

std::size_t scratch_floats(const Problem& problem) {
  return static_cast<std::size_t>(problem.head_dim_qk + problem.head_dim_v) * (kBlockM + kBlockN) +
         kBlockN * kBlockM + 4 * kBlockM;
}

std::vector<Implementation> usable_block_attentions() {
  std::vector<Implementation> usable;
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    usable.push_back({"avx512", run_avx512});
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    usable.push_back({"avx2", run_avx2});
#endif
  usable.push_back({"baseline", run_baseline});
  return usable;
}

}  // namespace flashjit::cpu
