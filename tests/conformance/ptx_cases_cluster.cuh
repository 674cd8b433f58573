// The cases of clusters: cluster.h, and TMA into several CTAs. As ptx_cases.cuh.
#pragma once
#include "conformance/ptx_cases_sm90.cuh"
#include "ptx/cluster.h"

namespace flashjit::conformance {

// Two CTAs: each loads one box into both.
template <Dtype>
__device__ void tma_load_5d_multicast(const Args& args) {
  make_barrier(1);
  if (threadIdx.x == 0) ptx::mbarrier_arrive_expect_tx(barrier(), 2 * kBoxWords * 4);
  ptx::cluster_sync();
  if (threadIdx.x == 0) {
    const u32 rank = ptx::cluster_rank(), to = ptx::dynamic_smem() + rank * kBoxWords * 4;
    const int row = rank == 0 ? 4 : -5;
    ptx::tma_load_5d_multicast(to, &args.map_in, barrier(), 0, row, 1, 1, 0, 3, ptx::kEvictLast);
  }
  wait(0);
  const int first_word = 2 * kBoxWords * int(blockIdx.x);
  for (int i = 0; i < 2; ++i) {
    put_box(args, ptx::dynamic_smem() + u32(i) * kBoxWords * 4, first_word + i * kBoxWords);
  }
  ptx::cluster_sync();
}

__device__ __forceinline__ int thread_of_cluster() {
  return int(blockIdx.x * blockDim.x + threadIdx.x);
}
template <Dtype>
__device__ void cluster_rank(const Args& args) {
  args.out[thread_of_cluster()] = ptx::cluster_rank();
}
// From the own address to the same one in CTA 0 and in CTA 1.
template <Dtype>
__device__ void map_shared(const Args& args) {
  const u32 own = ptx::dynamic_smem() + 4 * threadIdx.x;
  for (u32 rank = 0; rank < 2; ++rank)
    args.out[256 * rank + thread_of_cluster()] = ptx::map_shared(own, rank) - own;
}
// All threads of each CTA tell the other one that they are there; two phases. At cluster scope, or
// as the loops do it.
template <bool kClusterScope>
__device__ __forceinline__ void meet_other(const Args& args) {
  make_barrier(128);
  ptx::cluster_sync();
  const u32 there = ptx::map_shared(barrier(), ptx::cluster_rank() ^ 1);
  for (u32 phase = 0; phase < 2; ++phase) {
    if constexpr (kClusterScope) {
      ptx::mbarrier_arrive_release_cluster(there);
      while (!ptx::mbarrier_try_wait_parity_cluster(barrier(), phase)) {
      }
    } else {
      ptx::mbarrier_arrive_cluster(there);
      wait(phase);
    }
    ptx::cluster_sync();  // all have arrived there and waited here
  }
  args.out[thread_of_cluster()] = args.in[thread_of_cluster()];
}
template <Dtype>
__device__ void mbarrier_arrive_cluster(const Args& args) {
  meet_other<false>(args);
}
template <Dtype>
__device__ void mbarrier_arrive_release_cluster(const Args& args) {
  meet_other<true>(args);
}
template <Dtype>
__device__ void mbarrier_try_wait_parity_cluster(const Args& args) {
  meet_other<true>(args);
}
template <Dtype>
__device__ void cluster_sync(const Args& args) {
  meet_other<false>(args);
}
// Every thread sends a word to the thread of its number in the other CTA.
template <Dtype>
__device__ void st_async_u32(const Args& args) {
  make_barrier(1);
  if (threadIdx.x == 0) ptx::mbarrier_arrive_expect_tx(barrier(), 4 * blockDim.x);
  ptx::cluster_sync();
  const u32 slot = ptx::dynamic_smem() + 4 * threadIdx.x, other = ptx::cluster_rank() ^ 1;
  const u32 word = args.in[thread_of_cluster()];
  ptx::st_async_u32(ptx::map_shared(slot, other), word, ptx::map_shared(barrier(), other));
  wait(0);
  args.out[thread_of_cluster()] = ptx::ld_shared_u32(slot);
  ptx::cluster_sync();
}

}  // namespace flashjit::conformance
