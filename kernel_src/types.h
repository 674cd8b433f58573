// Scalar types and opaque blobs that the host compiler, NVRTC and the emulator share. No standard
// headers.
#pragma once

namespace flashjit {

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i64 = long long;

// Element type of Q, K, V and O. The accumulators are fp32 for every dtype.
enum class Dtype : int { kFp16 = 0, kBf16 = 1, kFp32 = 2 };

constexpr int size_of(Dtype dtype) { return dtype == Dtype::kFp32 ? 4 : 2; }

// CUtensorMap as the kernel sees it: 128 opaque bytes. Each backend encodes its own.
struct alignas(64) TensorMap {
  u64 opaque[16];
};

struct alignas(16) U32x4 {
  u32 x, y, z, w;
};

constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
constexpr int round_up(int a, int b) { return ceil_div(a, b) * b; }

}  // namespace flashjit
