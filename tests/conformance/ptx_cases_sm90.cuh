// The cases of what only Hopper has: stmatrix, mbarrier.h, tma.h and wgmma.h; of clusters in
// ptx_cases_cluster.cuh. As ptx_cases.cuh.
#pragma once
#include "conformance/ptx_cases.cuh"
#include "ptx/mbarrier.h"
#include "ptx/tma.h"
#include "ptx/wgmma.h"
#include "ptx/wgmma_ops.h"

namespace flashjit::conformance {

inline constexpr u32 kBarrier = 32000;  // in shared memory
inline constexpr u32 kTileBytes = 64 * 128;
inline constexpr int kBoxRows = 16, kBoxWords = kBoxRows * 32;  // of TMA: 64 elements a row

__device__ __forceinline__ u32 barrier() { return ptx::dynamic_smem() + kBarrier; }
__device__ __forceinline__ void make_barrier(u32 count) {
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(barrier(), count);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
}
__device__ __forceinline__ void wait(u32 parity) {
  while (!ptx::mbarrier_try_wait_parity(barrier(), parity)) {
  }
}

// ---- matrix.h

template <Dtype>
__device__ void stmatrix_x4(const Args& args) {
  const int i = int(threadIdx.x) / 4, pair = int(threadIdx.x) % 4;
  u32 r[4];
  for (int m = 0; m < 4; ++m) r[m] = args.in[32 * m + 4 * i + pair];
  ptx::stmatrix_x4(ptx::dynamic_smem() + 16 * threadIdx.x, r[0], r[1], r[2], r[3]);
  from_shared(args, ptx::dynamic_smem(), 128);
}

// ---- mbarrier.h: three warps hand words to the fourth

// Warps 0 … 2 write 32 words each and signal(); the fourth waits, two phases. Whoever arrives has
// written: compute-sanitizer's racecheck does not follow the words of other lanes through a
// __syncwarp() and the one arrival behind it (CUDA 13.0).
template <class Write>
__device__ __forceinline__ void hand_over(const Args& args, u32 count, Write&& write) {
  make_barrier(count);
  const u32 smem = ptx::dynamic_smem();
  for (u32 phase = 0; phase < 2; ++phase) {
    const u32 first = 96 * phase;
    if (threadIdx.x < 96) {
      write(first);
    } else {
      wait(phase);
      for (u32 i = threadIdx.x - 96; i < 96; i += 32)
        args.out[first + i] = ptx::ld_shared_u32(smem + 4 * (first + i));
    }
    __syncthreads();
  }
}
__device__ __forceinline__ void hand_word(const Args& args, u32 i) {
  ptx::st_shared_u32(ptx::dynamic_smem() + 4 * i, args.in[i]);
}
// One lane writes the words of its warp.
__device__ __forceinline__ void hand_words_of_warp(const Args& args, u32 first, u32 lane) {
  if (threadIdx.x % 32 != lane) return;
  for (u32 i = 0; i < 32; ++i) hand_word(args, first + threadIdx.x / 32 * 32 + i);
}
template <Dtype>
__device__ void mbarrier_init(const Args& args) {
  hand_over(args, 96, [&](u32 first) {
    hand_word(args, first + threadIdx.x);
    ptx::mbarrier_arrive(barrier());
  });
}
template <Dtype>
__device__ void mbarrier_arrive(const Args& args) {
  hand_over(args, 3, [&](u32 first) {
    hand_words_of_warp(args, first, 0);
    if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive(barrier());
  });
}
template <Dtype>
__device__ void mbarrier_arrive_if(const Args& args) {
  hand_over(args, 3, [&](u32 first) {
    hand_words_of_warp(args, first, 5);
    ptx::mbarrier_arrive_if(threadIdx.x % 32 == 5, barrier());
  });
}
template <Dtype>
__device__ void mbarrier_try_wait_parity(const Args& args) {
  make_barrier(1);
  // The phase before the first counts as complete, at once.
  u32 tries = 0;
  while (!ptx::mbarrier_try_wait_parity(barrier(), 1) && tries < 1000000) ++tries;
  args.out[threadIdx.x] = tries < 1000000;
  __syncthreads();
  if (threadIdx.x == 0) ptx::mbarrier_arrive(barrier());
  wait(0);
  args.out[128 + threadIdx.x] = args.in[threadIdx.x];
}
template <Dtype>
__device__ void fence_mbarrier_init(const Args& args) {
  make_barrier(1);
  if (threadIdx.x == 0) ptx::mbarrier_arrive(barrier());
  wait(0);
  args.out[threadIdx.x] = args.in[threadIdx.x];
}

// ---- tma.h: boxes of 64 columns by 16 rows of a tensor [2][3][24][64]

// Reads a box in shared memory, undoing the swizzle, to words of `out`.
__device__ __forceinline__ void put_box(const Args& args, u32 smem, int first_word) {
  for (int i = int(threadIdx.x); i < kBoxWords; i += int(blockDim.x))
    args.out[first_word + i] = ptx::ld_shared_u32(swizzled_128b(smem + 4 * u32(i)));
}
// One load of a box that starts at row `row` of panel 1, item 1; it ends when `parity` does.
__device__ __forceinline__ void load_box(const Args& args, int row, u32 parity) {
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect_tx(barrier(), kBoxWords * 4);
    ptx::tma_load_5d(
        ptx::dynamic_smem(), &args.map_in, barrier(), 0, row, 1, 1, 0, ptx::kEvictLast);
  }
  wait(parity);
}
template <Dtype>
__device__ void tma_load_5d(const Args& args) {
  make_barrier(1);
  constexpr int kRows[] = {4, 16, -5};  // inside, over the end, before the start
  for (int i = 0; i < 3; ++i) {
    load_box(args, kRows[i], u32(i) % 2);
    put_box(args, ptx::dynamic_smem(), i * kBoxWords);
    __syncthreads();
  }
}
template <Dtype>
__device__ void mbarrier_arrive_expect_tx(const Args& args) {
  make_barrier(2);  // the second arrival comes without bytes
  if (threadIdx.x == 32) ptx::mbarrier_arrive(barrier());
  load_box(args, 4, 0);
  put_box(args, ptx::dynamic_smem(), 0);
}
template <Dtype>
__device__ void prefetch_tensor_map(const Args& args) {
  make_barrier(1);
  if (threadIdx.x == 0) ptx::prefetch_tensor_map(&args.map_in);
  load_box(args, 4, 0);
  put_box(args, ptx::dynamic_smem(), 0);
}

// Writes the first words of `in` as a swizzled box, and stores it at `row`.
__device__ __forceinline__ void store_box(const Args& args, u32 smem, int row) {
  for (int i = int(threadIdx.x); i < kBoxWords; i += int(blockDim.x))
    ptx::st_shared_u32(swizzled_128b(smem + 4 * u32(i)), args.in[i]);
  ptx::fence_proxy_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::tma_store_5d(&args.map_out, smem, 0, row, 1, 1, 0);
    ptx::bulk_commit();
  }
}
template <Dtype>
__device__ void tma_store_5d(const Args& args) {
  store_box(args, ptx::dynamic_smem(), 16);  // half of its rows lie behind the end
  if (threadIdx.x == 0) ptx::bulk_wait_read<0>();
}
template <Dtype>
__device__ void fence_proxy_async(const Args& args) {
  store_box(args, ptx::dynamic_smem(), 3);
  if (threadIdx.x == 0) ptx::bulk_wait_read<0>();
}
template <Dtype>
__device__ void bulk_commit(const Args& args) {
  store_box(args, ptx::dynamic_smem(), 3);
  if (threadIdx.x == 0) ptx::bulk_commit();  // an empty group counts as well
  if (threadIdx.x == 0) ptx::bulk_wait_read<1>();
  __syncthreads();
  ptx::st_shared_u32(ptx::dynamic_smem() + 4 * threadIdx.x, 0);  // the store has read it
  if (threadIdx.x == 0) ptx::bulk_wait_read<0>();
}
template <Dtype>
__device__ void bulk_wait(const Args& args) {
  store_box(args, ptx::dynamic_smem(), 3);
  if (threadIdx.x == 0) ptx::bulk_wait<0>();
}
template <Dtype>
__device__ void bulk_wait_read(const Args& args) {
  store_box(args, ptx::dynamic_smem(), 3);
  if (threadIdx.x == 0) ptx::bulk_wait_read<0>();
  __syncthreads();
  ptx::st_shared_u32(ptx::dynamic_smem() + 4 * threadIdx.x, 0);
}

// ---- wgmma.h: A [64 x 64] at words 0 … 2047 of `in`, B [64 x 64] behind it; D [64 x 64]

// Both operands as rows of 128 bytes with their swizzle, as TMA brings them.
__device__ __forceinline__ void load_operands(const Args& args, u32 smem) {
  for (int i = int(threadIdx.x); i < kWords; i += int(blockDim.x))
    ptx::st_shared_u32(swizzled_128b(smem + 4 * u32(i)), args.in[i]);
  ptx::fence_proxy_async();
  __syncthreads();
}
// Start in units of 16 bytes, leading offset, a stride of 1024 bytes for eight rows, 128B swizzle.
__device__ __forceinline__ u64 descriptor(u32 addr, u32 leading) {
  return u64(addr / 16 & 0x3fff) | u64(leading / 16) << 16 | u64(1024 / 16) << 32 | u64(1) << 62;
}
__device__ __forceinline__ void put_accumulators(const Args& args, const float (&d)[32]) {
  const int lane = int(threadIdx.x) % 32, row = int(threadIdx.x) / 32 * 16 + lane / 4;
#pragma unroll
  for (int i = 0; i < 32; ++i)
    args.out[64 * (row + i / 2 % 2 * 8) + i / 4 * 8 + lane % 4 * 2 + i % 2] = __float_as_uint(d[i]);
}
// Steps of k16 along the rows of A and B, 32 bytes each; along the rows of B as keys.
struct ColumnSteps {
  static constexpr int kCount = 4;
  static constexpr u32 a(int i) { return u32(32 / 16 * i); }
  static constexpr u32 b(int i) { return u32(32 / 16 * i); }
};
struct RowSteps {
  static constexpr int kCount = 4;
  static constexpr u32 b(int i) { return u32(16 * 128 / 16 * i); }
};
// D = A · Bᵀ; ignores what D holds.
template <Dtype kDtype>
__device__ __forceinline__ void multiply(const Args& args, float (&d)[32]) {
  const u32 a = ptx::dynamic_smem(), b = a + kTileBytes;
  load_operands(args, a);
  ptx::wgmma_fence();
  ptx::wgmma_ss<kDtype, false, false, ColumnSteps>(d, descriptor(a, 16), descriptor(b, 16));
  ptx::wgmma_commit();
}
// D += A · B with A from registers and B read transposed; waits.
template <Dtype kDtype>
__device__ __forceinline__ void add_product(const Args& args, float (&d)[32]) {
  const int lane = int(threadIdx.x) % 32, row = int(threadIdx.x) / 32 * 16 + lane / 4;
  u32 a[4][4];  // by step of k16
#pragma unroll
  for (int k = 0; k < 4; ++k)
#pragma unroll
    for (int i = 0; i < 4; ++i)
      a[k][i] = args.in[32 * (row + i % 2 * 8) + 8 * k + i / 2 * 4 + lane % 4];
  ptx::pin_registers(d);
  ptx::wgmma_fence();
  ptx::wgmma_rs<kDtype, true, true, RowSteps>(
      d, a, descriptor(ptx::dynamic_smem() + kTileBytes, kTileBytes));
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  ptx::pin_registers(d);
}
template <Dtype kDtype>
__device__ void wgmma_ss(const Args& args) {
  float d[32];
  multiply<kDtype>(args, d);
  ptx::wgmma_wait<0>();
  ptx::pin_registers(d);
  put_accumulators(args, d);
}
// D = 1 + A · B.
template <Dtype kDtype>
__device__ void wgmma_rs(const Args& args) {
  load_operands(args, ptx::dynamic_smem());
  float d[32];
#pragma unroll
  for (int i = 0; i < 32; ++i) d[i] = 1;
  add_product<kDtype>(args, d);
  put_accumulators(args, d);
}
template <Dtype kDtype>
__device__ void wgmma_fence(const Args& args) {
  float d[32];
  multiply<kDtype>(args, d);
  ptx::wgmma_wait<0>();
  ptx::pin_registers(d);
#pragma unroll
  for (int i = 0; i < 32; ++i) d[i] += 1;  // between two groups, so that the second needs a fence
  add_product<kDtype>(args, d);
  put_accumulators(args, d);
}
template <Dtype kDtype>
__device__ void wgmma_commit(const Args& args) {
  float d[32];
  multiply<kDtype>(args, d);
  ptx::wgmma_commit();  // an empty group counts as well
  ptx::wgmma_wait<1>();
  ptx::pin_registers(d);
  put_accumulators(args, d);
  ptx::wgmma_wait<0>();
}
template <Dtype kDtype>
__device__ void wgmma_wait(const Args& args) {
  float d[32];
  multiply<kDtype>(args, d);
  ptx::wgmma_wait<0>();
  ptx::pin_registers(d);
  __syncthreads();
  ptx::st_shared_u32(ptx::dynamic_smem() + 4 * threadIdx.x, 0);  // it has read its operands
  put_accumulators(args, d);
}
template <Dtype>
__device__ void pin_registers(const Args& args) {
  float d[4];
  for (int i = 0; i < 4; ++i) d[i] = __uint_as_float(args.in[4 * threadIdx.x + i]);
  ptx::pin_registers(d);
  for (int i = 0; i < 4; ++i) args.out[4 * threadIdx.x + i] = __float_as_uint(d[i]);
}

// 384 threads: one warpgroup gives registers, the other two take them.
__device__ __forceinline__ void trade_registers(const Args& args) {
  if (threadIdx.x < 128) {
    ptx::setmaxnreg_dec<40>();
    args.out[threadIdx.x] = args.in[threadIdx.x];
  } else {
    ptx::setmaxnreg_inc<232>();
    args.out[threadIdx.x] = args.in[threadIdx.x];
  }
}
template <Dtype>
__device__ void setmaxnreg_dec(const Args& args) {
  trade_registers(args);
}
template <Dtype>
__device__ void setmaxnreg_inc(const Args& args) {
  trade_registers(args);
}

}  // namespace flashjit::conformance
