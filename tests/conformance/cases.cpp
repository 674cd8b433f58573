#include "conformance/cases.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "emulator/include/emu/float16.h"

namespace flashjit::conformance {
namespace {

constexpr int kRowWords = 32, kFirstRow = (1 * 3 + 1) * kTensorRows;

float as_float(u32 bits) { return std::bit_cast<float>(bits); }
u32 as_bits(float x) { return std::bit_cast<u32>(x); }
float flushed(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.f, x) : x; }

// The element at 16-bit position i.
float element(Dtype dtype, const Words& words, std::size_t i) {
  const u16 bits = static_cast<u16>(words[i / 2] >> 16 * (i % 2));
  return dtype == Dtype::kBf16 ? emu::bf16_to_float(bits) : emu::fp16_to_float(bits);
}

using Expect = decltype(Case::expect);

// out[i] = in[i]: what a kernel that moves words must give when it puts each where it belongs.
Expect same(std::size_t n) {
  return [n](Dtype, const Words& in, Words& out) { std::copy_n(in.begin(), n, out.begin()); };
}
Expect each(std::size_t n, u32 (*function)(u32)) {
  return [n, function](Dtype, const Words& in, Words& out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = function(in[i]);
  };
}

// Bytes [0, 16 · threads) with bytes i % 17 … 15 of the 16 of thread i set to zero, in words
// [first, last).
void copy_partial(const Words& in, Words& out, std::size_t first, std::size_t last) {
  for (std::size_t word = first; word < last; ++word) {
    const std::size_t thread = word % 512 / 4;
    out[word] = 0;
    for (std::size_t byte = 0; byte < 4; ++byte) {
      if (word % 4 * 4 + byte < thread % 17) out[word] |= in[word] & (0xffu << 8 * byte);
    }
  }
}

// A box of the tensor that starts at `row` of panel 1, item 1; rows outside are zeros.
void expect_box(const Words& in, Words& out, int row, std::size_t at) {
  for (int r = row; r < row + kBox; ++r)
    for (int i = 0; i < kRowWords; ++i, ++at) {
      const bool inside = r >= 0 && r < kTensorRows;
      out[at] = inside ? in[std::size_t((kFirstRow + r) * kRowWords + i)] : 0;
    }
}
// And the way back: `in` as a box, stored at `row`.
void expect_stored_box(const Words& in, Words& out, int row) {
  for (int r = row; r < std::min(row + kBox, kTensorRows); ++r)
    for (int i = 0; i < kRowWords; ++i)
      out[std::size_t((kFirstRow + r) * kRowWords + i)] =
          in[std::size_t((r - row) * kRowWords + i)];
}

// Sum over k of A[row][k] · B, whose element at column c is at b + (trans ? k · pitch + c : c ·
// pitch + k), in 16-bit positions. Exact: the inputs are small integers.
float dot(Dtype dtype,
          const Words& in,
          std::size_t a,
          std::size_t b,
          std::size_t pitch,
          std::size_t depth,
          bool trans,
          std::size_t c) {
  float sum = 0;
  for (std::size_t k = 0; k < depth; ++k) {
    sum += element(dtype, in, a + k) *
           element(dtype, in, trans ? b + k * pitch + c : b + c * pitch + k);
  }
  return sum;
}
// D[64 x 64] = first + times · (A · B over `depth`), operands of 64 x 64.
void expect_product(Dtype dtype, const Words& in, Words& out, bool trans, float first) {
  for (std::size_t i = 0; i < 64; ++i)
    for (std::size_t c = 0; c < 64; ++c)
      out[64 * i + c] = as_bits(first + dot(dtype, in, 64 * i, 4096, 64, 64, trans, c));
}
void expect_wgmma(Dtype dtype, const Words& in, Words& out) {
  expect_product(dtype, in, out, false, 0);
}

std::vector<Case> sm80_cases() {
  std::vector<Case> cases = {
      {.name = "dynamic_smem",
       .expect = [](Dtype, const Words&, Words& out) { std::fill_n(out.begin(), 128, 0u); }},
      {.name = "ld_shared_u16", .expect = same(128)},
      {.name = "ld_shared_u32", .expect = same(128)},
      {.name = "ld_shared_f32", .expect = same(128)},
      {.name = "ld_shared_v4", .expect = same(512)},
      {.name = "st_shared_u16", .expect = same(128)},
      {.name = "st_shared_u32", .expect = same(128)},
      {.name = "st_shared_f32", .expect = same(128)},
      {.name = "st_shared_v4", .expect = same(512)},
      {.name = "bar_sync",
       .expect = [](Dtype,
                    const Words& in,
                    Words& out) { std::reverse_copy(in.begin(), in.begin() + 128, out.begin()); }},
      {.name = "bar_arrive", .expect = same(64)},
      {.name = "bar_red_or",
       .expect =
           [](Dtype, const Words&, Words& out) {
             std::fill_n(out.begin(), 64, 1u);
             std::fill_n(out.begin() + 64, 64, 0u);
           }},
      {.name = "sm_clock", .expect = same(128)},
      {.name = "global_timer", .expect = same(128)},
      {.name = "sm_id", .expect = same(128)},
      {.name = "st_global_v4_if",
       .expect =
           [](Dtype, const Words& in, Words& out) {
             for (std::size_t i = 0; i < 512; ++i)
               if (i / 4 % 3 == 0) out[i] = in[i];
           }},
      {.name = "cp_async_16",
       .expect = [](Dtype, const Words& in, Words& out) { copy_partial(in, out, 0, 512); }},
      {.name = "cp_async_commit",
       .expect =
           [](Dtype, const Words& in, Words& out) {
             std::copy_n(in.begin(), 512, out.begin());
             copy_partial(in, out, 512, 1024);
           }},
      {.name = "cp_async_wait",
       .expect =
           [](Dtype, const Words& in, Words& out) {
             std::copy_n(in.begin(), 512, out.begin());
             copy_partial(in, out, 512, 640);
           }},
      {.name = "ldmatrix_x4", .threads = 32, .expect = same(128)},
      {.name = "ldmatrix_x2", .threads = 32, .expect = same(64)},
      {.name = "ldmatrix_x4_trans", .threads = 32, .expect = same(128)},
      {.name = "ldmatrix_x2_trans", .threads = 32, .expect = same(64)},
      {.name = "mma_m16n8k16",
       .threads = 32,
       .input = Case::kIntegers,
       .expect =
           [](Dtype dtype, const Words& in, Words& out) {
             for (std::size_t i = 0; i < 16; ++i)
               for (std::size_t c = 0; c < 8; ++c)
                 out[8 * i + c] = as_bits(1 + 2 * dot(dtype, in, 16 * i, 256, 16, 16, false, c));
           }},
  };
  return cases;
}

// The errors are those that kernel_src/ptx/math.h names, and half a unit in the last place of fp32
// for the emulator, which rounds the exact value.
std::vector<Case> math_cases() {
  constexpr double kRounding = 0x1p-24;
  return {
      {.name = "exp2_approx",
       .input = Case::kFloats,
       .expect =
           each(kNumWords, [](u32 x) { return as_bits(flushed(std::exp2(flushed(as_float(x))))); }),
       .relative = 0x1p-22 + kRounding,
       .any_nan = true},
      {.name = "log2_approx",
       .input = Case::kFloats,
       .expect = each(kNumWords, [](u32 x) { return as_bits(std::log2(flushed(as_float(x)))); }),
       .relative = 0x1p-22 + kRounding,
       .absolute = 0x1p-22,
       .any_nan = true},
      {.name = "rcp_approx",
       .input = Case::kFloats,
       .expect = each(kNumWords, [](u32 x) { return as_bits(flushed(1 / flushed(as_float(x)))); }),
       .relative = 0x1p-23 + kRounding,
       .any_nan = true},
      {.name = "max_f32",
       .input = Case::kFloats,
       .expect =
           [](Dtype, const Words& in, Words& out) {
             for (std::size_t i = 0; i < kNumWords; ++i) {
               const float a = as_float(in[i]), b = as_float(in[(i * 7 + 1) % kNumWords]);
               const bool nan_a = std::isnan(a), nan_b = std::isnan(b);
               if (nan_a || nan_b) {  // a NaN loses, also a signalling one, which fmax would return
                 out[i] = nan_a && nan_b ? 0x7fffffffu : as_bits(nan_a ? b : a);
               } else {
                 out[i] = a == b ? as_bits(a) & as_bits(b) : as_bits(std::max(a, b));  // +0 > −0
               }
             }
           }},
      {.name = "pack",
       .input = Case::kFloats,
       .expect =
           [](Dtype dtype, const Words& in, Words& out) {
             const auto round = [&](u32 bits) -> u32 {
               const float x = as_float(bits);
               return dtype == Dtype::kBf16 ? emu::float_to_bf16(x) : emu::float_to_fp16(x);
             };
             for (std::size_t i = 0; i < kNumWords / 2; ++i)
               out[i] = round(in[i]) | round(in[kNumWords - 1 - i]) << 16;
           }},
      {.name = "to_float",
       .expect =
           [](Dtype dtype, const Words& in, Words& out) {
             for (std::size_t i = 0; i < kNumWords; ++i)
               out[i] = as_bits(element(dtype, in, 2 * i));
           },
       .any_nan = true},
  };
}

std::vector<Case> sm90_cases() {
  const Expect box = [](Dtype, const Words& in, Words& out) { expect_box(in, out, 4, 0); };
  const Expect stored = [](Dtype, const Words& in, Words& out) { expect_stored_box(in, out, 3); };
  std::vector<Case> cases = {
      {.name = "stmatrix_x4", .threads = 32, .expect = same(128)},
      {.name = "mbarrier_init", .expect = same(192)},
      {.name = "mbarrier_arrive", .expect = same(192)},
      {.name = "mbarrier_arrive_if", .expect = same(192)},
      {.name = "mbarrier_arrive_expect_tx", .expect = box},
      {.name = "mbarrier_try_wait_parity",
       .expect =
           [](Dtype, const Words& in, Words& out) {
             std::fill_n(out.begin(), 128, 1u);
             std::copy_n(in.begin(), 128, out.begin() + 128);
           }},
      {.name = "fence_mbarrier_init", .expect = same(128)},
      {.name = "fence_proxy_async", .expect = stored},
      {.name = "prefetch_tensor_map", .expect = box},
      {.name = "tma_load_5d",
       .expect =
           [](Dtype, const Words& in, Words& out) {
             constexpr int kRows[] = {4, 16, -5};
             for (std::size_t i = 0; i < 3; ++i) expect_box(in, out, kRows[i], 512 * i);
           }},
      {.name = "tma_load_5d_multicast",
       .ctas = 2,
       .expect =
           [](Dtype, const Words& in, Words& out) {
             constexpr int kRows[] = {4, -5, 4, -5};
             for (std::size_t i = 0; i < 4; ++i) expect_box(in, out, kRows[i], 512 * i);
           }},
      {.name = "tma_store_5d",
       .expect = [](Dtype, const Words& in, Words& out) { expect_stored_box(in, out, 16); }},
      {.name = "bulk_commit", .expect = stored},
      {.name = "bulk_wait", .expect = stored},
      {.name = "bulk_wait_read", .expect = stored},
      {.name = "cluster_rank",
       .ctas = 4,
       .expect =
           [](Dtype, const Words&, Words& out) {
             for (std::size_t i = 0; i < 512; ++i) out[i] = u32(i / 128);
           }},
      {.name = "map_shared",
       .ctas = 2,
       .expect =
           [](Dtype, const Words&, Words& out) {
             std::fill_n(out.begin(), 512, 0u);
             std::fill_n(out.begin() + 128, 128, ~0u << 24);  // from CTA 1 to CTA 0
             std::fill_n(out.begin() + 256, 128, 1u << 24);   // and back
           }},
      {.name = "mbarrier_arrive_cluster", .ctas = 2, .expect = same(256)},
      {.name = "mbarrier_arrive_release_cluster", .ctas = 2, .expect = same(256)},
      {.name = "mbarrier_try_wait_parity_cluster", .ctas = 2, .expect = same(256)},
      {.name = "st_async_u32",
       .ctas = 2,
       .expect =
           [](Dtype, const Words& in, Words& out) {
             std::rotate_copy(in.begin(), in.begin() + 128, in.begin() + 256, out.begin());
           }},
      {.name = "cluster_sync", .ctas = 2, .expect = same(256)},
      {.name = "wgmma_fence",
       .input = Case::kIntegers,
       .expect =
           [](Dtype dtype, const Words& in, Words& out) {
             expect_product(dtype, in, out, false, 1);
             for (std::size_t i = 0; i < 64; ++i)
               for (std::size_t c = 0; c < 64; ++c) {
                 const float second = dot(dtype, in, 64 * i, 4096, 64, 64, true, c);
                 out[64 * i + c] = as_bits(as_float(out[64 * i + c]) + second);
               }
           }},
      {.name = "wgmma_commit", .input = Case::kIntegers, .expect = expect_wgmma},
      {.name = "wgmma_wait", .input = Case::kIntegers, .expect = expect_wgmma},
      {.name = "pin_registers", .expect = same(512)},
      {.name = "wgmma_ss", .input = Case::kIntegers, .expect = expect_wgmma},
      {.name = "wgmma_rs",
       .input = Case::kIntegers,
       .expect = [](Dtype dtype,
                    const Words& in,
                    Words& out) { expect_product(dtype, in, out, true, 1); }},
      {.name = "setmaxnreg_inc", .threads = 384, .expect = same(384)},
      {.name = "setmaxnreg_dec", .threads = 384, .expect = same(384)},
  };
  for (Case& c : cases) c.hopper = true;
  return cases;
}

}  // namespace

const std::vector<Case>& all_cases() {
  static const std::vector<Case> cases = [] {
    std::vector<Case> all = sm80_cases();
    for (Case& c : math_cases()) all.push_back(std::move(c));
    for (Case& c : sm90_cases()) all.push_back(std::move(c));
    return all;
  }();
  return cases;
}

}  // namespace flashjit::conformance
