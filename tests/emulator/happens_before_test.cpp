// The happens-before detector: every way in which an order can be missing, each beside the same
// kernel with the order there. One schedule is enough, so all of ten must find it.
#include "planted.h"
#include "ptx/barrier.h"
#include "ptx/cp_async.h"
#include "ptx/matrix.h"
#include "ptx/mbarrier.h"
#include "ptx/shared_memory.h"
#include "ptx/tma.h"
#include "ptx/wgmma.h"

namespace flashjit::emu {
namespace {

u32 tile() { return ptx::dynamic_smem() + kTile; }
u32 barrier(u32 i) { return ptx::dynamic_smem() + kBarriers + 8 * i; }

void wait(u32 bar, u32 parity) {
  while (!ptx::mbarrier_try_wait_parity(bar, parity)) {
  }
}

// Thread 0 makes `count` barriers of one arrival each, known to everybody and to TMA.
void make_barriers(u32 count, bool fenced = true) {
  if (threadIdx.x == 0) {
    for (u32 i = 0; i < count; ++i) ptx::mbarrier_init(barrier(i), 1);
    if (fenced) ptx::fence_mbarrier_init();
  }
  __syncthreads();
}

void fill_tile(u32 bytes) {
  for (u32 at = 16 * threadIdx.x; at < bytes; at += 16 * blockDim.x) {
    ptx::st_shared_v4(tile() + at, {0, 0, 0, 0});
  }
}

}  // namespace

TEST_CASE("race: a read of another warp's write without a barrier names both lines and threads") {
  int write_line = 0, read_line = 0;
  const auto kernel = [&](bool with_barrier) {
    return [&, with_barrier] {
      fill_tile(1024);
      __syncthreads();
      if (threadIdx.x == 5) write_line = __LINE__, ptx::st_shared_u32(tile() + 96, 1);
      if (with_barrier) __syncthreads();
      if (threadIdx.x == 37) read_line = __LINE__, ptx::ld_shared_u32(tile() + 96);
    };
  };
  const Finding finding = find_in_all(64, kernel(false));
  CHECK(finding.kind == "race");
  for (const std::string& part : {std::string("smem+96 (tile+96)"),
                                  std::string("thread 5 of warp 0 (producer), lane 5"),
                                  std::string("thread 37 of warp 1 (consumer), lane 5"),
                                  line_of(__FILE__, write_line),
                                  line_of(__FILE__, read_line),
                                  std::string("CTA (0, 0, 0) of the schedule with seed 1")}) {
    CHECK_THAT(finding.report, ContainsSubstring(part));
  }
  CHECK(find_in_all(64, kernel(true)).kind == "none");
  Options silent = planted_options();
  silent.detect_races = false;
  CHECK(find_in_all(64, kernel(false), silent).kind == "none");
}

TEST_CASE("race: __syncwarp orders lanes, a shuffle does not") {
  const auto kernel = [](bool sync) {
    return [sync] {
      if (threadIdx.x == 0) ptx::st_shared_f32(tile(), 1.0f);
      if (sync) {
        __syncwarp();
      } else {
        __shfl_xor_sync(~0u, 1, 1);
      }
      if (threadIdx.x == 0) return;
      if (threadIdx.x == 1) ptx::st_shared_f32(tile(), 2.0f);
    };
  };
  CHECK(find_in_all(32, kernel(false)).kind == "race");
  CHECK(find_in_all(32, kernel(true)).kind == "none");
}

TEST_CASE("race: elements of two bytes are apart, the same element is not") {
  const auto kernel = [](u32 distance) {
    return [distance] { ptx::st_shared_u16(tile() + distance * threadIdx.x, 7); };
  };
  CHECK(find_in_all(64, kernel(2)).kind == "none");
  CHECK(find_in_all(64, kernel(0)).kind == "race");
}

TEST_CASE("race: bar.arrive hands over one way only") {
  const auto kernel = [](bool overwrite) {
    return [overwrite] {
      const int warp = int(threadIdx.x) / 32;
      fill_tile(1024);
      __syncthreads();
      if (warp == 0) {
        ptx::st_shared_u32(tile() + 4 * threadIdx.x, 1);
        ptx::bar_arrive(1, 64);
        if (overwrite) ptx::st_shared_u32(tile() + 4 * threadIdx.x, 2);
      } else {
        ptx::bar_sync(1, 64);
        ptx::ld_shared_u32(tile() + 4 * (threadIdx.x - 32));
      }
    };
  };
  CHECK(find_in_all(64, kernel(false)).kind == "none");
  CHECK(find_in_all(64, kernel(true)).kind == "race");
}

TEST_CASE("race: ldmatrix needs the order in every lane") {
  const auto kernel = [](bool everybody) {
    return [everybody] {
      const int warp = int(threadIdx.x) / 32;
      if (warp == 0) fill_tile(512);
      make_barriers(1);
      if (warp == 0) {
        ptx::st_shared_u32(tile() + 16 * threadIdx.x, 1);
        __syncwarp();
        if (threadIdx.x == 0) ptx::mbarrier_arrive(barrier(0));
      } else {
        if (everybody || threadIdx.x == 32) wait(barrier(0), 0);
        u32 r[4];
        ptx::ldmatrix_x4(r, tile() + 16 * (threadIdx.x - 32));
      }
    };
  };
  CHECK(find_in_all(64, kernel(true)).kind == "none");
  const Finding finding = find_in_all(64, kernel(false));
  CHECK(finding.kind == "race");
  CHECK_THAT(finding.report, ContainsSubstring("ldmatrix of warp 1 (consumer)"));
}

TEST_CASE("race: lane 0 arrives before the other lanes are done") {
  const auto kernel = [](bool sync) {
    return [sync] {
      fill_tile(1024);
      make_barriers(1);
      if (threadIdx.x < 32) {
        ptx::ld_shared_u32(tile() + 4 * threadIdx.x);
        if (sync) __syncwarp();
        if (threadIdx.x == 0) ptx::mbarrier_arrive(barrier(0));
      } else {
        wait(barrier(0), 0);
        ptx::st_shared_u32(tile() + 4 * (threadIdx.x - 32), 1);
      }
    };
  };
  CHECK(find_in_all(64, kernel(true)).kind == "none");
  CHECK(find_in_all(64, kernel(false)).kind == "race");
}

TEST_CASE("race: a wait for the wrong phase of an mbarrier is no order") {
  int read_line = 0;
  const auto kernel = [&](u32 parity) {
    return [&, parity] {
      fill_tile(1024);
      make_barriers(1);
      if (threadIdx.x == 0) {
        ptx::st_shared_u32(tile(), 1);
        ptx::mbarrier_arrive(barrier(0));
      } else if (threadIdx.x == 32) {
        wait(barrier(0), parity);
        read_line = __LINE__, ptx::ld_shared_u32(tile());
      }
    };
  };
  CHECK(find_in_all(64, kernel(0)).kind == "none");
  // The phase before the first counts as complete. A schedule may run the arrival first; then the
  // wait is one for the next phase, by a thread that does not know of this one.
  const auto reports = reports_by_kind(64, kernel(1));
  REQUIRE(reports.size() == 2);
  CHECK_THAT(reports.at("race"), ContainsSubstring(line_of(__FILE__, read_line)));
  CHECK_THAT(reports.at("mbarrier"), ContainsSubstring("without order after the phase before"));
}

TEST_CASE(
    "race: a barrier is armed again before the bytes of its last round are known to be over") {
  Global global;
  const TensorMap map = map_of(&global);
  // The one that arms learns of the round's end from the barrier, or not at all.
  const auto kernel = [&](bool waits) {
    return [&, waits] {
      make_barriers(2);
      if (threadIdx.x == 32) {
        for (int round = 0; round < 2; ++round) {
          ptx::mbarrier_arrive_expect_tx(barrier(1), 1024);
          ptx::bar_arrive(1, 64);
          if (waits) wait(barrier(1), round & 1);
          ptx::bar_sync(2, 64);
        }
      } else if (threadIdx.x == 0) {
        for (int round = 0; round < 2; ++round) {
          ptx::bar_sync(1, 64);
          ptx::tma_load_5d(tile(), &map, barrier(1), 0, 0, 0, 0, 0, 0);
          ptx::bar_arrive(2, 64);
          wait(barrier(1), round & 1);
        }
      } else {
        for (int round = 0; round < 2; ++round) {
          threadIdx.x < 32 ? ptx::bar_sync(1, 64) : ptx::bar_arrive(1, 64);
          threadIdx.x < 32 ? ptx::bar_arrive(2, 64) : ptx::bar_sync(2, 64);
        }
      }
    };
  };
  CHECK(find_in_all(64, kernel(true)).kind == "none");
  CHECK(find_in_all(64, kernel(false)).kind == "mbarrier");
}

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
