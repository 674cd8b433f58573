// What is in flight: poisoned destinations of asynchronous copies, accumulators and operands of
// wgmma, and what a CTA must not leave behind.
#include <array>
#include <bit>
#include <set>

#include "planted_parts.h"
#include "ptx/barrier.h"
#include "ptx/cp_async.h"
#include "ptx/mbarrier.h"
#include "ptx/shared_memory.h"
#include "ptx/tma.h"
#include "ptx/wgmma.h"

namespace flashjit::emu {
namespace {

constexpr Dtype kBf16 = Dtype::kBf16;

// Zeros for an A of 64 x 16 and, 2048 bytes on, a B of 8 x 16, with some more behind it.
void make_operands() {
  for (u32 at = 16 * threadIdx.x; at < 2560; at += 16 * blockDim.x) {
    ptx::st_shared_v4(tile() + at, {0, 0, 0, 0});
  }
  ptx::fence_proxy_async();
  __syncthreads();
}
u64 operand_a() { return plain_descriptor(tile()); }
u64 operand_b() { return plain_descriptor(tile() + 2048); }

Options only_poison() {
  Options options = planted_options();
  options.detect_races = options.detect_uninitialised = false;
  return options;
}

}  // namespace

TEST_CASE("poison: a destination of cp.async never shows what was there before") {
  alignas(16) const std::array<u32, 4> global = {1, 2, 3, 4};
  std::set<u32> seen;
  Options options = only_poison();
  for (options.seed = 1; options.seed <= 20; ++options.seed) {
    const Finding finding = find(
        32,
        [&] {
          if (threadIdx.x == 0) {
            ptx::st_shared_u32(tile(), 77);
            ptx::cp_async_16(tile(), global.data(), 16);
            ptx::cp_async_commit();
          }
          for (int i = 0; i < 20; ++i) __syncwarp();
          if (threadIdx.x != 0) return;
          seen.insert(ptx::ld_shared_u32(tile()));
          ptx::cp_async_wait<0>();
          CHECK(ptx::ld_shared_u32(tile()) == 1);
        },
        options);
    CHECK(finding.kind == "none");
  }
  CHECK(seen == std::set<u32>{1, 0xffffffff});  // landed early or late
}

TEST_CASE("poison: accumulators in flight are NaN until the wait") {
  int unlike_nan = 0;
  std::array<float, 4> result{};
  const Finding finding = find_in_all(
      128,
      [&] {
        make_operands();
        float d[4] = {1, 2, 3, 4};
        ptx::wgmma_fence();
        ptx::wgmma_ss<kBf16, false, true>(d, operand_a(), operand_b());
        ptx::wgmma_commit();
        for (const float x : d) unlike_nan += x == x;
        ptx::wgmma_wait<0>();
        if (threadIdx.x == 0) std::copy(d, d + 4, result.begin());
      },
      only_poison());
  CHECK(finding.kind == "none");
  CHECK(unlike_nan == 0);
  CHECK(result == std::array<float, 4>{1, 2, 3, 4});
}

TEST_CASE("registers: an accumulator is written while in flight") {
  int wait_line = 0;
  const Finding finding = find_in_all(128, [&] {
    make_operands();
    float d[4] = {};
    ptx::wgmma_fence();
    ptx::wgmma_ss<kBf16, false, true>(d, operand_a(), operand_b());
    ptx::wgmma_commit();
    if (threadIdx.x == 40) d[2] = 0;
    wait_line = __LINE__, ptx::wgmma_wait<0>();
  });
  CHECK(finding.kind == "wgmma");
  CHECK_THAT(finding.report, ContainsSubstring("an accumulator was written while in flight"));
  CHECK_THAT(finding.report, ContainsSubstring(line_of(__FILE__, wait_line)));
  CHECK_THAT(finding.report, ContainsSubstring("of warp 1 (consumer)"));
}

TEST_CASE("registers: operand A is changed while in flight") {
  int wgmma_line = 0;
  const auto kernel = [&](bool waits) {
    return [&, waits] {
      make_operands();
      float d[4] = {};
      u32 a[1][4] = {};
      ptx::wgmma_fence();
      wgmma_line = __LINE__, ptx::wgmma_rs<kBf16, false, true>(d, a, operand_b());
      ptx::wgmma_commit();
      if (waits) ptx::wgmma_wait<0>();
      a[0][1] = 1;
      ptx::wgmma_wait<0>();
    };
  };
  CHECK(find_in_all(128, kernel(true)).kind == "none");
  const Finding finding = find_in_all(128, kernel(false));
  CHECK(finding.kind == "wgmma");
  CHECK_THAT(finding.report,
             ContainsSubstring("operand A of the wgmma at " + line_of(__FILE__, wgmma_line)));
}

TEST_CASE("wgmma: misuse of its fence, its operands and its shapes is named") {
  const auto kind_of = [](const auto& body) { return find_in_all(128, body); };
  const Finding no_fence = kind_of([] {
    make_operands();
    float d[4] = {};
    ptx::wgmma_ss<kBf16, false, true>(d, operand_a(), operand_b());
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();
  });
  CHECK(no_fence.kind == "wgmma");
  CHECK_THAT(no_fence.report, ContainsSubstring("no wgmma.fence"));

  const Finding not_uniform = kind_of([] {
    make_operands();
    float d[4] = {};
    ptx::wgmma_fence();
    ptx::wgmma_ss<kBf16, false, true>(d, operand_a() + (threadIdx.x == 7), operand_b());
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();
  });
  CHECK(not_uniform.kind == "wgmma");
  CHECK_THAT(not_uniform.report, ContainsSubstring("differs between lanes"));

  const Finding warps_differ = kind_of([] {
    make_operands();
    float d[4] = {};
    ptx::wgmma_fence();
    ptx::wgmma_ss<kBf16, false, true>(d, operand_a(), operand_b() + 16 * (threadIdx.x / 96));
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();
  });
  CHECK(warps_differ.kind == "divergence");
  CHECK_THAT(warps_differ.report, ContainsSubstring("warps of one warpgroup"));

  const Finding one_warp_short = kind_of([] {
    make_operands();
    if (threadIdx.x >= 96) return;
    float d[4] = {};
    ptx::wgmma_fence();
    ptx::wgmma_ss<kBf16, false, true>(d, operand_a(), operand_b());
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();
  });
  CHECK(one_warp_short.kind == "divergence");
}

TEST_CASE("leak: a CTA must not end with work in flight") {
  alignas(16) const std::array<u32, 4> global = {};
  int line = 0;
  const Finding copy = find_in_all(32, [&] {
    if (threadIdx.x == 3) line = __LINE__, ptx::cp_async_16(tile(), global.data(), 16);
    if (threadIdx.x == 3) ptx::cp_async_commit();
  });
  // Also where it happens to land before the end.
  CHECK(copy.kind == "leak");
  CHECK_THAT(copy.report, ContainsSubstring(line_of(__FILE__, line)));

  Global global_tile;
  const TensorMap map = map_of(&global_tile);
  const Finding store = find_in_all(32, [&] {
    ptx::st_shared_v4(tile() + 16 * threadIdx.x, {});
    ptx::st_shared_v4(tile() + 512 + 16 * threadIdx.x, {});
    ptx::fence_proxy_async();
    __syncwarp();
    if (threadIdx.x != 0) return;
    line = __LINE__, ptx::tma_store_5d(&map, tile(), 0, 0, 0, 0, 0);
    ptx::bulk_commit();
  });
  CHECK(store.kind == "leak");
  CHECK_THAT(store.report, ContainsSubstring(line_of(__FILE__, line)));

  const Finding load = find_in_all(32, [&] {
    const u32 barrier = ptx::dynamic_smem() + kBarriers;
    if (threadIdx.x != 0) return;
    ptx::mbarrier_init(barrier, 1);
    ptx::fence_mbarrier_init();
    ptx::mbarrier_arrive_expect_tx(barrier, 1024);
    line = __LINE__, ptx::tma_load_5d(tile(), &map, barrier, 0, 0, 0, 0, 0, 0);
  });
  CHECK(load.kind == "leak");
  CHECK_THAT(load.report, ContainsSubstring(line_of(__FILE__, line)));

  const Finding multiply = find_in_all(128, [&] {
    make_operands();
    float d[4] = {};
    ptx::wgmma_fence();
    line = __LINE__, ptx::wgmma_ss<kBf16, false, true>(d, operand_a(), operand_b());
    ptx::wgmma_commit();
  });
  CHECK(multiply.kind == "leak");
  CHECK_THAT(multiply.report, ContainsSubstring("ends with wgmma in flight"));
  CHECK_THAT(multiply.report, ContainsSubstring(line_of(__FILE__, line)));
}

TEST_CASE("race: two CTAs store the same bytes by TMA") {
  Global global;
  const TensorMap map = map_of(&global);
  int store_line = 0;
  const auto report = [&](int rows_apart, int ctas = 2) -> std::string {
    const auto kernel = [&] {
      ptx::st_shared_v4(tile() + 16 * threadIdx.x, {1, 2, 3, 4});
      ptx::st_shared_v4(tile() + 512 + 16 * threadIdx.x, {1, 2, 3, 4});
      ptx::fence_proxy_async();
      __syncwarp();
      if (threadIdx.x != 0) return;
      for (int i = 0; i < 2; ++i) {  // one CTA may do it twice
        const int row = int(blockIdx.x) * rows_apart;
        store_line = __LINE__, ptx::tma_store_5d(&map, tile(), 0, row, 0, 0, 0);
        ptx::bulk_commit();
        ptx::bulk_wait_read<0>();
      }
    };
    try {
      launch({unsigned(ctas), 1, 1}, {32, 1, 1}, kSmemBytes, kernel, planted_options());
    } catch (const Failure& failure) {
      return failure.kind() + std::string(": ") + failure.what();
    }
    return "none";
  };
  CHECK(report(8) == "none");  // the second box lies outside of the tensor
  CHECK(report(0, 1) == "none");
  for (const int rows_apart : {0, 7}) {
    const std::string found = report(rows_apart);
    CHECK_THAT(found, ContainsSubstring("race: global memory is stored by TMA that CTA 0"));
    CHECK_THAT(found, ContainsSubstring("CTA (1, 0, 0) of the schedule with seed 1"));
    CHECK_THAT(found, ContainsSubstring(line_of(__FILE__, store_line)));
  }
}

}  // namespace flashjit::emu
