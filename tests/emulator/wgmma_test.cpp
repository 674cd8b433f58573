// Products of wgmma beside plain ones, in the forms that no case of tests/conformance has.
#include "ptx/wgmma.h"

#include "emu/float16.h"
#include "planted.h"
#include "ptx/mbarrier.h"
#include "ptx/shared_memory.h"

namespace flashjit::emu {
namespace {

constexpr u32 kM = 64, kN = 16, kK = 32;

float a_of(u32 row, u32 k) { return float(int((3 * row + 5 * k) % 7) - 3); }
float b_of(u32 k, u32 column) { return float(int((2 * k + 3 * column) % 5) - 2); }

// Two steps of k16. A: K-major without a swizzle, 16 columns behind each other. B: MN-major, cores
// of eight k by eight columns, neighbours along k 128 bytes apart, along N 256; 16 k behind each
// other.
struct TwoSteps {
  static constexpr int kCount = 2;
  static constexpr u32 a(int i) { return u32(2048 / 16 * i); }
  static constexpr u32 b(int i) { return u32(512 / 16 * i); }
};
u32 place_of_a(u32 row, u32 k) {
  return k / 16 * 2048 + row / 8 * 256 + k / 8 % 2 * 128 + row % 8 * 16 + k % 8 * 2;
}
u32 place_of_b(u32 k, u32 column) {
  return k / 16 * 512 + column / 8 * 256 + k / 8 % 2 * 128 + k % 8 * 16 + column % 8 * 2;
}

}  // namespace

TEST_CASE("wgmma: adds A · B of several steps, A from shared memory and B transposed") {
  const auto tile = [] { return ptx::dynamic_smem() + kTile; };
  std::array<std::array<float, kN>, kM> result{};
  const Finding finding = find_in_all(128, [&] {
    const u32 a = tile(), b = tile() + 4096;
    for (u32 i = threadIdx.x; i < kM * kK; i += 128) {
      ptx::st_shared_u16(a + place_of_a(i / kK, i % kK), float_to_fp16(a_of(i / kK, i % kK)));
    }
    for (u32 i = threadIdx.x; i < kK * kN; i += 128) {
      ptx::st_shared_u16(b + place_of_b(i / kN, i % kN), float_to_fp16(b_of(i / kN, i % kN)));
    }
    ptx::fence_proxy_async();
    __syncthreads();
    float d[kN / 2];
    for (float& x : d) x = 5;
    ptx::wgmma_fence();
    ptx::wgmma_ss<Dtype::kFp16, /*kTransB=*/true, /*kAccumulate=*/true, TwoSteps>(
        d, plain_descriptor(a), plain_descriptor(b));
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();
    const u32 lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
    for (u32 i = 0; i < kN / 2; ++i) {
      result[row + i / 2 % 2 * 8][i / 4 * 8 + lane % 4 * 2 + i % 2] = d[i];
    }
  });
  INFO(finding.report);
  CHECK(finding.kind == "none");
  for (u32 row = 0; row < kM; ++row) {
    for (u32 column = 0; column < kN; ++column) {
      float wanted = 5;
      for (u32 k = 0; k < kK; ++k) wanted += a_of(row, k) * b_of(k, column);
      CHECK(result[row][column] == wanted);
    }
  }
}

}  // namespace flashjit::emu
