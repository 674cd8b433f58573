// Clusters: what stays a CTA's own (addresses, barriers, registers, warpgroups, stores), and which
// clusters there are.
#include "ptx/cluster.h"

#include <atomic>
#include <bit>
#include <set>

#include "planted_parts.h"
#include "ptx/barrier.h"
#include "ptx/cp_async.h"
#include "ptx/matrix.h"
#include "ptx/mbarrier.h"
#include "ptx/shared_memory.h"
#include "ptx/tma.h"
#include "ptx/wgmma.h"

namespace flashjit::emu {
namespace {

constexpr u32 kBoxBytes = 1024;

template <class Kernel>
Finding find_in_pair(unsigned threads, const Kernel& kernel) {
  return find_in_all(threads, kernel, planted_options(), 2);
}

}  // namespace

TEST_CASE("cluster: only multicasts and arrivals reach another CTA") {
  Global box;
  const TensorMap map = map_of(&box);
  alignas(16) const std::array<u32, 4> global = {};
  const auto find_use = [&](const auto& use) {
    return find_in_pair(32, [&] {
      if (ptx::cluster_rank() == 1) {
        if (threadIdx.x == 0) {
          ptx::mbarrier_init(barrier(), 2);
          ptx::fence_mbarrier_init();
        }
        for (u32 at = 0; at < kBoxBytes; at += 128) {
          ptx::st_shared_u32(tile() + at + 4 * threadIdx.x, 0);
        }
        ptx::fence_proxy_async();
      }
      ptx::cluster_sync();
      const u32 there = ptx::map_shared(ptx::dynamic_smem(), 1);
      if (ptx::cluster_rank() == 0) use(there + kTile, there + kBarriers);
      ptx::cluster_sync();
    });
  };
  CHECK(find_use([](u32, u32 bar) {
          if (threadIdx.x == 0) ptx::mbarrier_arrive_cluster(bar);
        }).kind == "none");
  const Finding store = find_use([](u32 to, u32) { ptx::st_shared_u32(to + 32, 0); });
  CHECK(store.kind == "cluster");
  CHECK_THAT(store.report,
             ContainsSubstring("smem+32 (tile+32) of CTA 1 of the cluster is used as"));
  const auto kind = [&](const auto& use) { return find_use(use).kind; };
  u32 r[4];
  CHECK(kind([](u32 from, u32) { ptx::ld_shared_v4(from); }) == "cluster");
  CHECK(kind([&](u32 from, u32) { ptx::ldmatrix_x4(r, from); }) == "cluster");
  CHECK(kind([](u32 to, u32) { ptx::stmatrix_x4(to, 0, 0, 0, 0); }) == "cluster");
  CHECK(kind([&](u32 to, u32) { ptx::cp_async_16(to, global.data(), 16); }) == "cluster");
  CHECK(kind([](u32, u32 bar) { ptx::mbarrier_init(bar + 8, 1); }) == "cluster");
  CHECK(kind([](u32, u32 bar) { ptx::mbarrier_arrive(bar); }) == "cluster");
  CHECK(kind([](u32, u32 bar) { ptx::mbarrier_arrive_expect_tx(bar, 16); }) == "cluster");
  CHECK(kind([](u32, u32 bar) { ptx::mbarrier_try_wait_parity(bar, 0); }) == "cluster");
  CHECK(kind([&](u32 to, u32) { ptx::tma_load_5d(to, &map, barrier(), 0, 0, 0, 0, 0, 0); }) ==
        "cluster");
  CHECK(kind([&](u32, u32 bar) { ptx::tma_load_5d(tile(), &map, bar, 0, 0, 0, 0, 0, 0); }) ==
        "cluster");
  CHECK(kind([&](u32 from, u32) { ptx::tma_store_5d(&map, from, 0, 0, 0, 0, 0); }) == "cluster");
  CHECK(kind([](u32 there, u32) { ptx::map_shared(there, 0); }) == "cluster");
  CHECK(kind([](u32, u32) { ptx::map_shared(tile(), 2); }) == "cluster");
  CHECK(kind([](u32, u32) { ptx::ld_shared_u32(tile() + (2 << 24)); }) == "bounds");
  CHECK(kind([](u32, u32) { ptx::ld_shared_u32(tile() + kSmemBytes); }) == "bounds");
}

TEST_CASE("cluster: what belongs to a CTA stays its own") {
  std::set<std::array<unsigned, 3>> threads;
  std::set<u32> addresses;
  const auto kernel = [&] {
    threads.insert({blockIdx.x, blockIdx.y, threadIdx.x});
    addresses.insert(ptx::dynamic_smem());
    CHECK(blockDim.x == 64);
    CHECK(gridDim.x == 8);
    CHECK(ptx::cluster_rank() == blockIdx.x % 4);
    // Barrier 1 of each CTA; a CTA's own shared memory behind it.
    ptx::st_shared_u32(tile() + 4 * threadIdx.x, blockIdx.x);
    CHECK(ptx::bar_red_or(1, 64, blockIdx.x == 2) == (blockIdx.x == 2));
    CHECK(ptx::ld_shared_u32(tile() + 4 * (63 - threadIdx.x)) == blockIdx.x);
  };
  launch({8, 2, 1}, {64, 1, 1}, kSmemBytes, kernel, planted_options(), 4);
  CHECK(threads.size() == 8 * 2 * 64);
  CHECK(addresses == std::set<u32>{0x0000400, 0x1000400, 0x2000400, 0x3000400});
  CHECK(find_in_pair(64, [] { ptx::bar_sync(1, 96); }).kind == "barrier");
  const Finding alone = find_in_pair(64, [] {
    if (threadIdx.x < 32 || blockIdx.x == 0) ptx::bar_sync(1, 64);
  });
  CHECK(alone.kind == "deadlock");
  CHECK_THAT(alone.report,
             ContainsSubstring("barrier 1 of CTA 1 of the cluster: 32 of 64 threads have arrived"));
}

TEST_CASE("cluster: registers that one CTA gives back are not for the other") {
  const auto kernel = [](u32 giver) {
    return [giver] {
      if (threadIdx.x < 128) {
        if (blockIdx.x == giver) ptx::setmaxnreg_dec<24>();
      } else if (blockIdx.x == 0) {
        ptx::setmaxnreg_inc<240>();
      }
    };
  };
  CHECK(find_in_pair(384, kernel(0)).kind == "none");
  const Finding finding = find_in_pair(384, kernel(1));
  CHECK(finding.kind == "deadlock");
  CHECK_THAT(finding.report,
             ContainsSubstring("registers of CTA 0 of the cluster: 0 free, wanted by 256 threads"));
}

TEST_CASE("cluster: the detector tells more than 32 warps apart") {
  const auto kernel = [](bool collective) {
    return [collective] {
      ptx::st_shared_v4(tile() + 16 * threadIdx.x, {});
      __syncthreads();
      if (threadIdx.x >= 128) {  // warp 4, the last but one of eight CTAs is number 34 of all
        u32 r[4];
        if (collective) ptx::ldmatrix_x4(r, tile() + 16 * (threadIdx.x % 32));
        if (!collective) ptx::ld_shared_v4(tile() + 16 * (threadIdx.x % 32));
      }
      if (ptx::cluster_rank() == 6 && threadIdx.x == 0) ptx::st_shared_u32(tile(), 1);
    };
  };
  for (const bool collective : {true, false}) {
    const Finding finding = find_in_all(160, kernel(collective), planted_options(), 8);
    CHECK(finding.kind == "race");
    CHECK_THAT(finding.report, ContainsSubstring("warp 4 of CTA 6 of the cluster"));
    CHECK_THAT(finding.report, ContainsSubstring("thread 0 of warp 0 (producer) of CTA 6"));
  }
}

TEST_CASE("cluster: two of its CTAs store the same bytes by TMA") {
  Global global;
  const TensorMap map = map_of(&global);
  const auto kernel = [&](int rows_apart) {
    return [&, rows_apart] {
      for (u32 at = 16 * threadIdx.x; at < kBoxBytes; at += 512) ptx::st_shared_v4(tile() + at, {});
      ptx::fence_proxy_async();
      __syncwarp();
      if (threadIdx.x != 0) return;
      ptx::tma_store_5d(&map, tile(), 0, int(blockIdx.x) * rows_apart, 0, 0, 0);
      ptx::bulk_commit();
      ptx::bulk_wait<0>();
    };
  };
  CHECK(find_in_pair(32, kernel(8)).kind == "none");
  const Finding finding = find_in_pair(32, kernel(4));
  CHECK(finding.kind == "race");
  CHECK_THAT(finding.report, ContainsSubstring("global memory is stored by TMA that CTA"));
}

// A is ones; B, without a swizzle, has k + 1 in row k of eight columns: the halves of k are
// `leading` bytes apart. In CTA 1 the rank's bit would add 256 to that.
TEST_CASE("cluster: a descriptor must not hold the rank, and means the own CTA") {
  const auto kernel = [](u32 mask, std::array<float, 2>& sums) {
    return [mask, &sums] {
      const auto one = [](u32 x) { return u32(std::bit_cast<u32>(float(x)) >> 16) * 0x10001u; };
      const u32 a = tile(), b = tile() + 2048;
      for (u32 at = 4 * threadIdx.x; at < 2048; at += 512) ptx::st_shared_u32(a + at, one(1));
      for (u32 at = 4 * threadIdx.x; at < 4096; at += 512) {
        ptx::st_shared_u32(b + at, one(at < 256 ? 1 + at / 128 + 2 * blockIdx.x : 7));
      }
      ptx::fence_proxy_async();
      __syncthreads();
      const auto descriptor = [&](u32 addr) { return plain_descriptor(addr & mask); };
      float d[4];
      ptx::wgmma_fence();
      ptx::wgmma_ss<Dtype::kBf16, false, false>(d, descriptor(a), descriptor(b));
      ptx::wgmma_commit();
      ptx::wgmma_wait<0>();
      sums[blockIdx.x] = d[0];
    };
  };
  std::array<float, 2> sums{};
  CHECK(find_in_pair(128, kernel(0x3FFFF, sums)).kind == "none");
  CHECK(sums == std::array<float, 2>{8 * 1 + 8 * 2, 8 * 3 + 8 * 4});
  CHECK(find_in_pair(128, kernel(~0u, sums)).kind == "none");
  CHECK(sums == std::array<float, 2>{8 * 1 + 8 * 2, 8 * 3 + 8 * 7});
}

// Of CTAs of one warp or two, which fill no warpgroup.
TEST_CASE("cluster: warps of a warpgroup are counted in their CTA") {
  const Finding finding = find_in_all(
      160,
      [] {
        for (u32 at = 16 * threadIdx.x; at < 4096; at += 16 * blockDim.x) {
          ptx::st_shared_v4(tile() + at, {});
        }
        ptx::fence_proxy_async();
        __syncthreads();
        if (threadIdx.x >= 128) return;
        float d[4] = {};
        const u32 addr = tile() & 0x3FFFF;
        ptx::wgmma_fence();
        ptx::wgmma_ss<Dtype::kBf16, false, true>(
            d, plain_descriptor(addr), plain_descriptor(addr + 2048));
        ptx::wgmma_commit();
        ptx::wgmma_wait<0>();
      },
      planted_options(),
      4);
  CHECK(finding.kind == "none");
}

TEST_CASE("cluster: the grid must be whole clusters of 1, 2, 4 or 8") {
  std::atomic<int> threads = 0;
  const auto kind = [&](unsigned grid, unsigned size) -> std::string {
    threads = 0;
    Options options = planted_options();
    options.workers = 2;
    try {
      launch(
          {grid, 3, 1}, {32, 1, 1}, kSmemBytes, [&] { ++threads; }, options, size);
    } catch (const Failure& failure) {
      return failure.kind();
    }
    return "none";
  };
  for (const unsigned size : {1u, 2u, 4u, 8u}) {
    CHECK(kind(16, size) == "none");
    CHECK(threads == 16 * 3 * 32);
  }
  for (const unsigned size : {0u, 3u, 16u}) CHECK(kind(48, size) == "launch");
  CHECK(kind(15, 2) == "launch");
  CHECK(threads == 0);
}

}  // namespace flashjit::emu
