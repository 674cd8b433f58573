// What nvcc gives to every translation unit, for the host compiler: comes in front of the kernel
// text with -include. Only names that kernels use.
#pragma once
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>

#include "emu/device.h"

#define __device__
#define __host__
#define __global__ __attribute__((visibility("default")))
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __grid_constant__
#define __align__(n) alignas(n)

namespace flashjit::emu {

// threadIdx.x and its kin are objects that ask the CTA when they are converted.
template <Dim3 (Device::*kRegister)() const, unsigned Dim3::*kMember>
struct SpecialRegister {
  operator unsigned() const { return (current().*kRegister)().*kMember; }
};
template <Dim3 (Device::*kRegister)() const>
struct SpecialRegister3 {
  SpecialRegister<kRegister, &Dim3::x> x;
  SpecialRegister<kRegister, &Dim3::y> y;
  SpecialRegister<kRegister, &Dim3::z> z;
};

template <class T>
T shuffle(unsigned mask, T value, int source_lane, const Loc& loc) {
  static_assert(sizeof(T) <= sizeof(u64));
  u64 bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = current().shuffle(mask, bits, source_lane, loc);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace flashjit::emu

inline constexpr flashjit::emu::SpecialRegister3<&flashjit::emu::Device::thread_idx> threadIdx{};
inline constexpr flashjit::emu::SpecialRegister3<&flashjit::emu::Device::block_idx> blockIdx{};
inline constexpr flashjit::emu::SpecialRegister3<&flashjit::emu::Device::block_dim> blockDim{};
inline constexpr flashjit::emu::SpecialRegister3<&flashjit::emu::Device::grid_dim> gridDim{};

// ---- synchronisation
inline void __syncthreads(flashjit::emu::Loc loc = flashjit::emu::Loc::current()) {
  const auto dim = flashjit::emu::current().block_dim();
  flashjit::emu::current().bar_sync(0, static_cast<int>(dim.x * dim.y * dim.z), loc);
}
inline void __syncwarp(unsigned mask = ~0u,
                       flashjit::emu::Loc loc = flashjit::emu::Loc::current()) {
  flashjit::emu::current().syncwarp(mask, loc);
}
inline void __threadfence() {}

// ---- shuffles and votes; `width` is always the whole warp
template <class T>
T __shfl_sync(unsigned mask,
              T value,
              int source_lane,
              int width = 32,
              flashjit::emu::Loc loc = flashjit::emu::Loc::current()) {
  const int base = flashjit::emu::current().lane() & ~(width - 1);
  return flashjit::emu::shuffle(mask, value, base + (source_lane & (width - 1)), loc);
}
template <class T>
T __shfl_xor_sync(unsigned mask,
                  T value,
                  int lane_mask,
                  int width = 32,
                  flashjit::emu::Loc loc = flashjit::emu::Loc::current()) {
  const int lane = flashjit::emu::current().lane(), source = lane ^ lane_mask;
  return flashjit::emu::shuffle(mask, value, source / width > lane / width ? lane : source, loc);
}
template <class T>
T __shfl_down_sync(unsigned mask,
                   T value,
                   unsigned delta,
                   int width = 32,
                   flashjit::emu::Loc loc = flashjit::emu::Loc::current()) {
  const int lane = flashjit::emu::current().lane(), source = lane + static_cast<int>(delta);
  return flashjit::emu::shuffle(mask, value, source / width == lane / width ? source : lane, loc);
}
template <class T>
T __shfl_up_sync(unsigned mask,
                 T value,
                 unsigned delta,
                 int width = 32,
                 flashjit::emu::Loc loc = flashjit::emu::Loc::current()) {
  const int lane = flashjit::emu::current().lane(), in_group = lane & (width - 1);
  const int source = in_group >= static_cast<int>(delta) ? lane - static_cast<int>(delta) : lane;
  return flashjit::emu::shuffle(mask, value, source, loc);
}
inline unsigned __ballot_sync(unsigned mask,
                              int predicate,
                              flashjit::emu::Loc loc = flashjit::emu::Loc::current()) {
  return flashjit::emu::current().ballot(mask, predicate != 0, loc);
}
inline int __any_sync(unsigned mask,
                      int predicate,
                      flashjit::emu::Loc loc = flashjit::emu::Loc::current()) {
  return __ballot_sync(mask, predicate, loc) != 0;
}
inline int __all_sync(unsigned mask,
                      int predicate,
                      flashjit::emu::Loc loc = flashjit::emu::Loc::current()) {
  return __ballot_sync(mask, predicate, loc) == mask;
}

// ---- atomics on global memory
template <class T>
T atomicAdd(T* address, T value) {
  flashjit::emu::current().preemption_point();
  return std::atomic_ref<T>(*address).fetch_add(value);
}
template <class T>
T atomicExch(T* address, T value) {
  flashjit::emu::current().preemption_point();
  return std::atomic_ref<T>(*address).exchange(value);
}

// ---- arithmetic; correctly rounded on both sides
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fdividef(float a, float b) { return a / b; }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline long long clock64() { return static_cast<long long>(flashjit::emu::current().clock()); }
