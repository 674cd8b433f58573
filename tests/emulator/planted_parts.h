// What planted kernels have in shared memory (planted.h), by address.
#pragma once
#include "planted.h"
#include "ptx/barrier.h"
#include "ptx/mbarrier.h"
#include "ptx/shared_memory.h"

namespace flashjit::emu {

inline u32 tile() { return ptx::dynamic_smem() + kTile; }
inline u32 barrier(u32 i = 0) { return ptx::dynamic_smem() + kBarriers + 8 * i; }

inline void wait(u32 bar, u32 parity) {
  while (!ptx::mbarrier_try_wait_parity(bar, parity)) {
  }
}

// Thread 0 makes `count` barriers of one arrival each, known to everybody and to TMA.
inline void make_barriers(u32 count, bool fenced = true) {
  if (threadIdx.x == 0) {
    for (u32 i = 0; i < count; ++i) ptx::mbarrier_init(barrier(i), 1);
    if (fenced) ptx::fence_mbarrier_init();
  }
  __syncthreads();
}

inline void fill_tile(u32 bytes) {
  for (u32 at = 16 * threadIdx.x; at < bytes; at += 16 * blockDim.x) {
    ptx::st_shared_v4(tile() + at, {0, 0, 0, 0});
  }
}

}  // namespace flashjit::emu
