// The happens-before detector and asynchronous hardware: TMA, wgmma, cp.async, and the proxy that
// they access shared memory by. As in happens_before_test, each fault beside the same kernel
// without.
#include "planted_parts.h"
#include "ptx/cp_async.h"
#include "ptx/matrix.h"
#include "ptx/tma.h"
#include "ptx/wgmma.h"

namespace flashjit::emu {

TEST_CASE("race: a TMA load is named with its mbarrier and phase") {
  Global global;
  const TensorMap map = map_of(&global);
  int load_line = 0, read_line = 0;
  const auto kernel = [&](bool waits) {
    return [&, waits] {
      make_barriers(2);
      if (threadIdx.x == 0) {
        ptx::mbarrier_arrive_expect_tx(barrier(1), 1024);
        load_line = __LINE__, ptx::tma_load_5d(tile(), &map, barrier(1), 0, 0, 0, 0, 0, 0);
        ptx::bar_arrive(1, 64);
      }
      if (threadIdx.x < 32) {
        if (threadIdx.x > 0) ptx::bar_arrive(1, 64);
        wait(barrier(1), 0);
        return;
      }
      ptx::bar_sync(1, 64);  // the load has been issued: no order of what it writes
      if (waits) wait(barrier(1), 0);
      read_line = __LINE__, ptx::ld_shared_u32(tile() + 512);
    };
  };
  CHECK(find_in_all(64, kernel(true)).kind == "none");
  const Finding finding = find_in_all(64, kernel(false));
  CHECK(finding.kind == "race");
  for (const std::string& part :
       {std::string("a TMA load on mbarrier #1 at smem+8200 (barriers+8), phase"),
        std::string("warp 1 (consumer)"),
        line_of(__FILE__, load_line),
        line_of(__FILE__, read_line)}) {
    CHECK_THAT(finding.report, ContainsSubstring(part));
  }
}

TEST_CASE("race: the async proxy needs a fence to see what threads have written") {
  Global global;
  const TensorMap map = map_of(&global);
  const auto kernel = [&](bool fence) {
    return [&, fence] {
      fill_tile(1024);
      if (fence) ptx::fence_proxy_async();
      __syncthreads();
      if (threadIdx.x != 0) return;
      ptx::tma_store_5d(&map, tile(), 0, 0, 0, 0, 0);
      ptx::bulk_commit();
      ptx::bulk_wait_read<0>();
    };
  };
  CHECK(find_in_all(64, kernel(true)).kind == "none");
  const Finding finding = find_in_all(64, kernel(false));
  CHECK(finding.kind == "race");
  CHECK_THAT(finding.report, ContainsSubstring("TMA store of warp 0 (producer)"));
  CHECK_THAT(finding.report,
             ContainsSubstring("no fence.proxy.async makes the write known to TMA and wgmma"));
}

TEST_CASE("race: a fence before the write does not cover it") {
  Global global;
  const TensorMap map = map_of(&global);
  const Finding finding = find_in_all(64, [&] {
    fill_tile(1024);
    ptx::fence_proxy_async();
    if (threadIdx.x == 3) ptx::st_shared_u32(tile() + 48, 1);
    __syncthreads();
    if (threadIdx.x != 0) return;
    ptx::tma_store_5d(&map, tile(), 0, 0, 0, 0, 0);
    ptx::bulk_commit();
    ptx::bulk_wait_read<0>();
  });
  CHECK(finding.kind == "race");
  CHECK_THAT(finding.report, ContainsSubstring("smem+48 (tile+48)"));
}

TEST_CASE("race: the source of a TMA store is overwritten while it may still be read") {
  Global global;
  const TensorMap map = map_of(&global);
  const auto kernel = [&](bool waits) {
    return [&, waits] {
      fill_tile(1024);
      ptx::fence_proxy_async();
      __syncthreads();
      if (threadIdx.x == 0) {
        ptx::tma_store_5d(&map, tile(), 0, 0, 0, 0, 0);
        ptx::bulk_commit();
        if (waits) ptx::bulk_wait_read<0>();
      }
      __syncthreads();
      if (threadIdx.x == 32) ptx::st_shared_u32(tile(), 1);
      __syncthreads();
      if (threadIdx.x == 0) ptx::bulk_wait_read<0>();
    };
  };
  CHECK(find_in_all(64, kernel(true)).kind == "none");
  CHECK(find_in_all(64, kernel(false)).kind == "race");
}

TEST_CASE("race: a tile is overwritten while wgmma may still read it") {
  int wgmma_line = 0, write_line = 0;
  const auto kernel = [&](bool waits) {
    return [&, waits] {
      fill_tile(4096);
      ptx::fence_proxy_async();
      __syncthreads();
      float d[4] = {};
      const u64 a = plain_descriptor(tile()), b = plain_descriptor(tile() + 2048);
      ptx::wgmma_fence();
      wgmma_line = __LINE__, ptx::wgmma_ss<Dtype::kBf16, false, true>(d, a, b);
      ptx::wgmma_commit();
      if (waits) ptx::wgmma_wait<0>();
      __syncthreads();
      if (threadIdx.x == 9) write_line = __LINE__, ptx::st_shared_u32(tile() + 2048, 1);
      ptx::wgmma_wait<0>();
    };
  };
  CHECK(find_in_all(128, kernel(true)).kind == "none");
  const Finding finding = find_in_all(128, kernel(false));
  CHECK(finding.kind == "race");
  CHECK_THAT(finding.report, ContainsSubstring("wgmma of warp"));
  CHECK_THAT(finding.report, ContainsSubstring(line_of(__FILE__, wgmma_line)));
  CHECK_THAT(finding.report, ContainsSubstring(line_of(__FILE__, write_line)));
}

TEST_CASE("race: wgmma reads generic writes without a proxy fence") {
  const Finding finding = find_in_all(128, [] {
    fill_tile(4096);
    __syncthreads();
    float d[4] = {};
    ptx::wgmma_fence();
    ptx::wgmma_ss<Dtype::kBf16, false, true>(
        d, plain_descriptor(tile()), plain_descriptor(tile() + 2048));
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();
  });
  CHECK(finding.kind == "race");
  CHECK_THAT(finding.report, ContainsSubstring("no fence.proxy.async"));
}

TEST_CASE("race: cp.async is seen after its thread's wait, by others after a barrier too") {
  Global global;
  const auto kernel = [&](bool waits, bool sync, unsigned reader) {
    return [&global, waits, sync, reader] {
      if (threadIdx.x == 0) {
        ptx::cp_async_16(tile(), &global, 16);
        ptx::cp_async_commit();
        if (waits) ptx::cp_async_wait<0>();
      }
      if (sync) __syncthreads();
      if (threadIdx.x == reader) ptx::ld_shared_u32(tile() + 8);
      if (threadIdx.x == 0) ptx::cp_async_wait<0>();
    };
  };
  CHECK(find_in_all(64, kernel(true, false, 0)).kind == "none");
  CHECK(find_in_all(64, kernel(true, true, 32)).kind == "none");
  const Finding own = find_in_all(64, kernel(false, false, 0));
  CHECK(own.kind == "race");
  CHECK_THAT(own.report, ContainsSubstring("cp.async of thread 0 of warp 0 (producer), lane 0"));
  CHECK(find_in_all(64, kernel(false, true, 32)).kind == "race");
}

TEST_CASE("race: an mbarrier is used by a thread that does not know of its init") {
  const auto reports = reports_by_kind(64, [] {
    if (threadIdx.x == 0) ptx::mbarrier_init(barrier(0), 2);
    ptx::bar_sync(1 + int(threadIdx.x) / 32, 32);  // orders the warps alone
    if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive(barrier(0));
  });
  // Where the other warp comes first there is no mbarrier at all.
  REQUIRE(reports.size() == 2);
  CHECK_THAT(reports.at("mbarrier"), ContainsSubstring("smem+8192 (barriers+0)"));
  CHECK_THAT(reports.at("race"),
             ContainsSubstring("mbarrier #0 at smem+8192 (barriers+0), phase 0 is used without "
                               "order after its init by thread 0 of warp 0 (producer), lane 0"));
}

TEST_CASE("race: TMA is given an mbarrier whose init it does not know of") {
  Global global;
  const TensorMap map = map_of(&global);
  const auto kernel = [&](bool fenced) {
    return [&, fenced] {
      make_barriers(1, fenced);
      if (threadIdx.x == 0) {
        ptx::mbarrier_arrive_expect_tx(barrier(0), 1024);
        ptx::tma_load_5d(tile(), &map, barrier(0), 0, 0, 0, 0, 0, 0);
      }
      wait(barrier(0), 0);
    };
  };
  CHECK(find_in_all(64, kernel(true)).kind == "none");
  const Finding finding = find_in_all(64, kernel(false));
  CHECK(finding.kind == "race");
  CHECK_THAT(finding.report,
             ContainsSubstring("fence.mbarrier_init or fence.proxy.async is missing"));
}

}  // namespace flashjit::emu
