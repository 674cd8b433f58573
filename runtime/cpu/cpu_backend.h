// The CPU backend: the same call and the same semantics, on the host's cores.
#pragma once

#include "cpu/block_attention.h"
#include "cpu/thread_pool.h"
#include "problem.h"

namespace flashjit::cpu {

class CpuBackend {
 public:
  // 0 threads: one per usable core. The implementation is chosen here, once.
  explicit CpuBackend(int num_threads, Implementation implementation = best_block_attention());

  // Synchronous. Thread-safe: concurrent calls take turns.
  void forward(const AttentionArgs& args, const ValidatedProblem& validated);

  const DeviceInfo& device() const { return device_; }
  int num_threads() const { return pool_.size(); }
  // "fwd_cpu_avx2_bf16_d128_causal": what stands where a GPU has a variant.
  std::string variant_name(const Problem& problem) const;

 private:
  Implementation implementation_;
  ThreadPool pool_;
  DeviceInfo device_;
};

}  // namespace flashjit::cpu
