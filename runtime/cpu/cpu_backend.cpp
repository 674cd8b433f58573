#include "cpu/cpu_backend.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <new>

#include "variant_source.h"

namespace flashjit::cpu {
namespace {

// Memory of one thread, kept from call to call.
float* thread_scratch(std::size_t floats) {
  struct Free {
    void operator()(float* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
  };
  thread_local std::unique_ptr<float[], Free> memory;
  thread_local std::size_t size = 0;
  if (size < floats) {
    memory.reset(new (std::align_val_t{64}) float[floats]);
    size = floats;
  }
  return memory.get();
}

}  // namespace

CpuBackend::CpuBackend(int num_threads, Implementation implementation)
    : implementation_(implementation), pool_(num_threads) {
  device_.name = "cpu";
  device_.arch = {.major = 0, .minor = 0, .specific = false};
  device_.sm_count = pool_.size();
  device_.l2_bytes = std::max(0l, sysconf(_SC_LEVEL2_CACHE_SIZE));
  device_.total_memory = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

void CpuBackend::forward(const AttentionArgs& args, const ValidatedProblem& validated) {
  const auto& [problem, shape] = validated;
  const FwdParams params = make_fwd_params(args, shape);
  const i64 rows = i64{params.heads_per_kv} * params.seqlen_q;  // of one kv head
  const i64 heads = i64{params.batch} * params.num_heads_kv;
  if (rows == 0 || heads == 0) return;
  // Smaller blocks when there are too few to keep all threads busy; 24 rows still fill AVX2.
  int block_m = kBlockM;
  while (block_m > 24 && heads * ((rows + block_m - 1) / block_m) < 2 * pool_.size()) block_m /= 2;
  const i64 blocks = (rows + block_m - 1) / block_m;
  const std::size_t floats = scratch_floats(problem);
  pool_.run(static_cast<int>(heads * blocks), [&](int task) {
    const i64 head = task / blocks;
    // Last rows first: with a causal mask they are the longest, and short ones fill the end.
    const i64 first_row = (blocks - 1 - task % blocks) * block_m;
    const RowBlock block = {.batch_idx = static_cast<int>(head / params.num_heads_kv),
                            .kv_head = static_cast<int>(head % params.num_heads_kv),
                            .first_row = first_row,
                            .num_rows = static_cast<int>(std::min<i64>(block_m, rows - first_row))};
    implementation_.run(params, problem, block, thread_scratch(floats));
  });
}

std::string CpuBackend::variant_name(const Problem& problem) const {
  const std::string head_dims =
      problem.head_dim_qk == problem.head_dim_v
          ? fmt::format("d{}", problem.head_dim_qk)
          : fmt::format("d{}v{}", problem.head_dim_qk, problem.head_dim_v);
  return fmt::format("fwd_cpu_{}_{}_{}{}{}",
                     implementation_.name,
                     to_string(problem.dtype),
                     head_dims,
                     problem.mask == MaskKind::kCausal ? "_causal" : "",
                     problem.return_lse ? "_lse" : "");
}

}  // namespace flashjit::cpu
