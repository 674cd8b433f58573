// One kernel for each function of kernel_src/ptx/ that sm_80 has, by its name. The same text is
// compiled by NVRTC for the GPU and by the host's compiler for the emulator; tests/conformance/
// cases.cpp says what goes in and what must come out. One CTA, or one cluster of CTAs; `in` and
// `out` are kWords long.
#pragma once
#include "ptx/barrier.h"
#include "ptx/cp_async.h"
#include "ptx/math.h"
#include "ptx/matrix.h"
#include "ptx/profile.h"
#include "ptx/shared_memory.h"

namespace flashjit::conformance {

inline constexpr int kWords = 4096;
inline constexpr u32 kSmemBytes = 32768;

struct Args {
  TensorMap map_in, map_out;  // 16-bit tensors over in and out, for TMA
  const u32* in;
  u32* out;
};

// Columns of a tile in shared memory are swizzled as TMA and wgmma do it for rows of 128 bytes.
__device__ __forceinline__ u32 swizzled_128b(u32 addr) { return addr ^ (addr >> 3 & 0x70); }

// Words [0, n) of `in` to shared memory at `to`, and back from `from` to `out`.
__device__ __forceinline__ void to_shared(const Args& args, u32 to, int n) {
  for (int i = int(threadIdx.x); i < n; i += int(blockDim.x))
    ptx::st_shared_u32(to + 4 * u32(i), args.in[i]);
  __syncthreads();
}
__device__ __forceinline__ void from_shared(const Args& args, u32 from, int n) {
  __syncthreads();
  for (int i = int(threadIdx.x); i < n; i += int(blockDim.x))
    args.out[i] = ptx::ld_shared_u32(from + 4 * u32(i));
}

// ---- shared_memory.h: 128 threads move what is theirs

template <Dtype>
__device__ void dynamic_smem(const Args& args) {
  args.out[threadIdx.x] = ptx::dynamic_smem() % 1024;  // the value differs, its alignment must not
}
template <Dtype>
__device__ void ld_shared_u16(const Args& args) {
  to_shared(args, ptx::dynamic_smem(), 128);
  const u32 addr = ptx::dynamic_smem() + 4 * threadIdx.x;
  args.out[threadIdx.x] = u32(ptx::ld_shared_u16(addr + 2)) << 16 | ptx::ld_shared_u16(addr);
}
template <Dtype>
__device__ void ld_shared_u32(const Args& args) {
  to_shared(args, ptx::dynamic_smem(), 128);
  args.out[threadIdx.x] = ptx::ld_shared_u32(ptx::dynamic_smem() + 4 * threadIdx.x);
}
template <Dtype>
__device__ void ld_shared_f32(const Args& args) {
  to_shared(args, ptx::dynamic_smem(), 128);
  const float x = ptx::ld_shared_f32(ptx::dynamic_smem() + 4 * threadIdx.x);
  args.out[threadIdx.x] = __float_as_uint(x);
}
template <Dtype>
__device__ void ld_shared_v4(const Args& args) {
  to_shared(args, ptx::dynamic_smem(), 512);
  const U32x4 v = ptx::ld_shared_v4(ptx::dynamic_smem() + 16 * threadIdx.x);
  u32* const to = args.out + 4 * threadIdx.x;
  to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
template <Dtype>
__device__ void st_shared_u16(const Args& args) {
  const u32 addr = ptx::dynamic_smem() + 4 * threadIdx.x, word = args.in[threadIdx.x];
  ptx::st_shared_u16(addr, u16(word));
  ptx::st_shared_u16(addr + 2, u16(word >> 16));
  from_shared(args, ptx::dynamic_smem(), 128);
}
template <Dtype>
__device__ void st_shared_u32(const Args& args) {
  ptx::st_shared_u32(ptx::dynamic_smem() + 4 * threadIdx.x, args.in[threadIdx.x]);
  from_shared(args, ptx::dynamic_smem(), 128);
}
template <Dtype>
__device__ void st_shared_f32(const Args& args) {
  const float x = __uint_as_float(args.in[threadIdx.x]);
  ptx::st_shared_f32(ptx::dynamic_smem() + 4 * threadIdx.x, x);
  from_shared(args, ptx::dynamic_smem(), 128);
}
template <Dtype>
__device__ void st_shared_v4(const Args& args) {
  const u32* const from = args.in + 4 * threadIdx.x;
  ptx::st_shared_v4(ptx::dynamic_smem() + 16 * threadIdx.x, {from[0], from[1], from[2], from[3]});
  from_shared(args, ptx::dynamic_smem(), 512);
}

// ---- barrier.h: one half of the threads hands its words to the other

template <Dtype>
__device__ void bar_sync(const Args& args) {
  const u32 smem = ptx::dynamic_smem();
  ptx::st_shared_u32(smem + 4 * threadIdx.x, args.in[threadIdx.x]);
  ptx::bar_sync(3, 128);
  args.out[threadIdx.x] = ptx::ld_shared_u32(smem + 4 * (127 - threadIdx.x));
}
// Two groups of two warps; one thread of the first comes with the flag.
template <Dtype>
__device__ void bar_red_or(const Args& args) {
  const bool first = threadIdx.x < 64;
  args.out[threadIdx.x] = ptx::bar_red_or(first ? 3 : 4, 64, threadIdx.x == 37);
}
template <Dtype>
__device__ void bar_arrive(const Args& args) {
  const u32 smem = ptx::dynamic_smem();
  if (threadIdx.x < 64) {
    ptx::st_shared_u32(smem + 4 * threadIdx.x, args.in[threadIdx.x]);
    ptx::bar_arrive(5, 128);
  } else {
    ptx::bar_sync(5, 128);
    args.out[threadIdx.x - 64] = ptx::ld_shared_u32(smem + 4 * (threadIdx.x - 64));
  }
}

// ---- profile.h: a word passes where time goes on and the CTA is on one SM

template <Dtype>
__device__ void sm_clock(const Args& args) {
  const u32 before = ptx::sm_clock();
  __syncthreads();
  const u32 cycles = ptx::sm_clock() - before;
  args.out[threadIdx.x] = cycles > 0 && cycles < 1u << 28 ? args.in[threadIdx.x] : 0;
}
template <Dtype>
__device__ void global_timer(const Args& args) {
  const u64 before = ptx::global_timer();
  __syncthreads();
  const u64 ns = ptx::global_timer() - before;  // 0 where its resolution is 1 µs
  args.out[threadIdx.x] = ns < 1u << 28 ? args.in[threadIdx.x] : 0;
}
template <Dtype>
__device__ void sm_id(const Args& args) {
  const u32 smem = ptx::dynamic_smem();
  ptx::st_shared_u32(smem + 4 * threadIdx.x, ptx::sm_id());
  __syncthreads();
  const u32 other = ptx::ld_shared_u32(smem + 4 * (127 - threadIdx.x));
  args.out[threadIdx.x] = other == ptx::sm_id() && other < 1024 ? args.in[threadIdx.x] : 0;
}
template <Dtype>
__device__ void st_global_v4_if(const Args& args) {
  const u32* const from = args.in + 4 * threadIdx.x;
  ptx::st_global_v4_if(
      threadIdx.x % 3 == 0, args.out + 4 * threadIdx.x, {from[0], from[1], from[2], from[3]});
}

// ---- cp_async.h: sixteen bytes a thread, the last of them zeros

// Thread i copies i % 17 bytes in its second round; its first round is whole.
__device__ __forceinline__ void copy_rounds(const Args& args, u32 smem) {
  const u32 at = 16 * threadIdx.x;
  const char* const in = reinterpret_cast<const char*>(args.in);
  ptx::cp_async_16(smem + at, in + at, 16);
  ptx::cp_async_commit();
  ptx::cp_async_16(smem + 2048 + at, in + 2048 + at, int(threadIdx.x) % 17);
  ptx::cp_async_commit();
}
template <Dtype>
__device__ void cp_async_16(const Args& args) {
  const u32 smem = ptx::dynamic_smem();
  const u32 at = 16 * threadIdx.x;
  ptx::cp_async_16(smem + at, reinterpret_cast<const char*>(args.in) + at, int(threadIdx.x) % 17);
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  from_shared(args, smem, 512);
}
template <Dtype>
__device__ void cp_async_commit(const Args& args) {
  const u32 smem = ptx::dynamic_smem();
  copy_rounds(args, smem);
  ptx::cp_async_commit();  // an empty group counts as well
  ptx::cp_async_wait<1>();
  from_shared(args, smem, 1024);
  ptx::cp_async_wait<0>();
}
template <Dtype>
__device__ void cp_async_wait(const Args& args) {
  const u32 smem = ptx::dynamic_smem();
  copy_rounds(args, smem);
  ptx::cp_async_wait<1>();
  from_shared(args, smem, 512);
  ptx::cp_async_wait<0>();
  __syncthreads();
  args.out[512 + threadIdx.x] = ptx::ld_shared_u32(smem + 2048 + 4 * threadIdx.x);
}

// ---- math.h

template <class Function>
__device__ __forceinline__ void for_floats(const Args& args, Function&& function) {
  for (int i = int(threadIdx.x); i < kWords; i += int(blockDim.x))
    args.out[i] = __float_as_uint(function(__uint_as_float(args.in[i]), i));
}
template <Dtype>
__device__ void exp2_approx(const Args& args) {
  for_floats(args, [](float x, int) { return ptx::exp2_approx(x); });
}
template <Dtype>
__device__ void log2_approx(const Args& args) {
  for_floats(args, [](float x, int) { return ptx::log2_approx(x); });
}
template <Dtype>
__device__ void rcp_approx(const Args& args) {
  for_floats(args, [](float x, int) { return ptx::rcp_approx(x); });
}
template <Dtype>
__device__ void max_f32(const Args& args) {
  for_floats(args, [&](float x, int i) {
    return ptx::max_f32(x, __uint_as_float(args.in[(i * 7 + 1) % kWords]));
  });
}
template <Dtype kDtype>
__device__ void pack(const Args& args) {
  for (int i = int(threadIdx.x); i < kWords / 2; i += int(blockDim.x)) {
    const float lo = __uint_as_float(args.in[i]), hi = __uint_as_float(args.in[kWords - 1 - i]);
    args.out[i] = ptx::pack<kDtype>(lo, hi);
  }
}
template <Dtype kDtype>
__device__ void to_float(const Args& args) {
  for (int i = int(threadIdx.x); i < kWords; i += int(blockDim.x))
    args.out[i] = __float_as_uint(ptx::to_float<kDtype>(u16(args.in[i])));
}

// ---- matrix.h: one warp; fragments go to where their elements belong

// Lane l has [l / 4][2 · (l % 4) + {0, 1}] of each 8x8 matrix m of `out`; with trans the transpose.
__device__ __forceinline__ void put_fragment(const Args& args, int m, u32 pair, bool trans) {
  const int i = int(threadIdx.x) / 4, j = int(threadIdx.x) % 4 * 2;
  u16* const to = reinterpret_cast<u16*>(args.out) + 64 * m;
  to[trans ? 8 * j + i : 8 * i + j] = u16(pair);
  to[trans ? 8 * (j + 1) + i : 8 * i + j + 1] = u16(pair >> 16);
}
template <Dtype>
__device__ void ldmatrix_x4(const Args& args) {
  to_shared(args, ptx::dynamic_smem(), 128);
  u32 r[4];
  ptx::ldmatrix_x4(r, ptx::dynamic_smem() + 16 * threadIdx.x);
  for (int m = 0; m < 4; ++m) put_fragment(args, m, r[m], false);
}
template <Dtype>
__device__ void ldmatrix_x2(const Args& args) {
  to_shared(args, ptx::dynamic_smem(), 128);
  u32 r[2];
  ptx::ldmatrix_x2(r, ptx::dynamic_smem() + 16 * threadIdx.x);  // of lanes 0 … 15
  for (int m = 0; m < 2; ++m) put_fragment(args, m, r[m], false);
}
template <Dtype>
__device__ void ldmatrix_x4_trans(const Args& args) {
  to_shared(args, ptx::dynamic_smem(), 128);
  u32 r[4];
  ptx::ldmatrix_x4_trans(r, ptx::dynamic_smem() + 16 * threadIdx.x);
  for (int m = 0; m < 4; ++m) put_fragment(args, m, r[m], true);
}
template <Dtype>
__device__ void ldmatrix_x2_trans(const Args& args) {
  to_shared(args, ptx::dynamic_smem(), 128);
  u32 r[2];
  ptx::ldmatrix_x2_trans(r, ptx::dynamic_smem() + 16 * threadIdx.x);
  for (int m = 0; m < 2; ++m) put_fragment(args, m, r[m], true);
}

// A is `in` as [16][16], B as [8][16] behind it, both 16-bit; D = 1 + A · Bᵀ as [16][8] fp32.
// Twice, so that the second adds to the first.
template <Dtype kDtype>
__device__ void mma_m16n8k16(const Args& args) {
  const int row = int(threadIdx.x) / 4, pair = int(threadIdx.x) % 4;
  const u32 *const a_rows = args.in, *const b_rows = args.in + 128;  // eight words a row
  const u32 a[4] = {a_rows[8 * row + pair],
                    a_rows[8 * (row + 8) + pair],
                    a_rows[8 * row + pair + 4],
                    a_rows[8 * (row + 8) + pair + 4]};
  float d[4] = {1, 1, 1, 1};
  for (int i = 0; i < 2; ++i) {
    ptx::mma_m16n8k16<kDtype>(
        d[0], d[1], d[2], d[3], a, b_rows[8 * row + pair], b_rows[8 * row + pair + 4]);
  }
  for (int i = 0; i < 4; ++i)
    args.out[8 * (row + i / 2 * 8) + 2 * pair + i % 2] = __float_as_uint(d[i]);
}

}  // namespace flashjit::conformance
