// Clusters: CTAs that hand each other tiles by multicast and arrivals, and what orders them.
#include "ptx/cluster.h"

#include "planted_parts.h"
#include "ptx/mbarrier.h"
#include "ptx/shared_memory.h"
#include "ptx/tma.h"

namespace flashjit::emu {
namespace {

constexpr u32 kBoxBytes = 1024;

enum : u32 { kFull, kEmpty };

template <class Kernel>
Finding find_in_pair(unsigned threads, const Kernel& kernel, Options options = planted_options()) {
  return find_in_all(threads, kernel, options, 2);
}

// Two boxes for two CTAs, each of which loads one of them into both; the elements of box i are i
// + 1.
struct Boxes {
  std::array<Global, 2> global;
  std::array<TensorMap, 2> maps;
  Boxes() {
    for (std::size_t i = 0; i < 2; ++i) {
      global[i].elements.fill(static_cast<u16>(i + 1));
      maps[i] = map_of(&global[i]);
    }
  }
};

// Which parts of the exchange below are there.
struct Exchange {
  u32 rounds = 4;
  bool sync_at_start = true, sync_at_end = true;
  u32 tell_other = 2;  // how many of the two readers say that the other CTA may overwrite the tile
  bool tell_other_first = false;  // before the own CTA
  u32 mask = 3;
};

void make_ring(u32 consumers_of_all, bool sync) {
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(barrier(kFull), 1);
    ptx::mbarrier_init(barrier(kEmpty), consumers_of_all);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  if (sync) ptx::cluster_sync();
}

void check_tile() {
  for (u32 i = 0; i < 2; ++i) {
    const u32 pair = ptx::ld_shared_u32(tile() + i * kBoxBytes + 4 * (threadIdx.x % 32));
    if (pair != (i + 1) * 0x10001u) current().fail("wrong", "not the box", Loc::current());
  }
}

// Warp 0's first thread loads its box into both CTAs, warps 1 and 2 read both boxes.
auto exchange(const Boxes& boxes, Exchange parts = {}) {
  return [&boxes, parts] {
    make_ring(2 + parts.tell_other, parts.sync_at_start);
    const u32 rank = ptx::cluster_rank(), other = rank ^ 1;
    for (u32 round = 0; round < parts.rounds; ++round) {
      if (threadIdx.x == 0) {
        wait(barrier(kEmpty), (round & 1) ^ 1);
        ptx::mbarrier_arrive_expect_tx(barrier(kFull), 2 * kBoxBytes);
        const u32 to = tile() + rank * kBoxBytes;
        ptx::tma_load_5d_multicast(
            to, &boxes.maps[rank], barrier(kFull), 0, 0, 0, 0, 0, parts.mask, 0);
      } else if (threadIdx.x >= 32) {
        wait(barrier(kFull), round & 1);
        check_tile();
        __syncwarp();
        if (threadIdx.x % 32 != 0) continue;
        const u32 empty_there = ptx::map_shared(barrier(kEmpty), other);
        const bool tells = threadIdx.x / 32 <= parts.tell_other;
        if (tells && parts.tell_other_first) ptx::mbarrier_arrive_cluster(empty_there);
        ptx::mbarrier_arrive(barrier(kEmpty));
        if (tells && !parts.tell_other_first) ptx::mbarrier_arrive_cluster(empty_there);
      }
    }
    if (parts.sync_at_end) ptx::cluster_sync();
  };
}

}  // namespace

TEST_CASE("cluster: two CTAs share tiles by multicast") {
  const Boxes boxes;
  Options options = planted_options();
  for (const bool tell_other_first : {false, true}) {
    const auto kernel = exchange(boxes, {.tell_other_first = tell_other_first});
    for (options.seed = 1; options.seed <= 60; ++options.seed) {
      const Finding finding = find(96, kernel, options, 2);
      INFO("seed " << options.seed << ": " << finding.report);
      CHECK(finding.kind == "none");
    }
  }
}

// CTA 1's consumers come after those of CTA 0 only by the tile that CTA 0 loads next.
TEST_CASE("cluster: a tile from another CTA comes after what its producer has waited for") {
  const Boxes boxes;
  const auto kernel = [&] {
    make_ring(4, true);
    const u32 rank = ptx::cluster_rank();
    for (u32 round = 0; round < 4; ++round) {
      if (threadIdx.x == 0) {
        if (rank == 0) wait(barrier(kEmpty), (round & 1) ^ 1);
        if (rank == 1) wait(barrier(kFull), (round & 1) ^ 1);
        ptx::mbarrier_arrive_expect_tx(barrier(kFull), 2 * kBoxBytes);
        for (u32 i = 0; rank == 0 && i < 2; ++i) {
          ptx::tma_load_5d_multicast(
              tile() + i * kBoxBytes, &boxes.maps[i], barrier(kFull), 0, 0, 0, 0, 0, 3, 0);
        }
      } else if (threadIdx.x >= 32) {
        wait(barrier(kFull), round & 1);
        check_tile();
        __syncwarp();
        const u32 empty = ptx::map_shared(barrier(kEmpty), 0);
        if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive_cluster(empty);
      }
    }
    ptx::cluster_sync();
  };
  CHECK(find_in_pair(96, kernel).kind == "none");
}

TEST_CASE("cluster: without a barrier at the start another CTA's mbarriers may not be there") {
  const Boxes boxes;
  const auto reports = reports_by_kind(96, exchange(boxes, {.sync_at_start = false}), 2);
  CHECK(reports.count("mbarrier") + reports.count("race") == reports.size());
  REQUIRE(reports.count("race") == 1);
  CHECK_THAT(reports.at("race"), ContainsSubstring("is used without order after its init"));
  CHECK_THAT(reports.at("race"), ContainsSubstring("of CTA 0 of the cluster"));
  CHECK_THAT(reports.at("race"), ContainsSubstring("of CTA 1 of the cluster"));
  CHECK_THAT(reports.at("race"), ContainsSubstring("the cluster of 2 CTAs from CTA (0, 0, 0)"));
}

TEST_CASE("cluster: without a barrier at the end another CTA may have ended") {
  const Boxes boxes;
  CHECK(find_in_pair(96, exchange(boxes, {.sync_at_end = false})).kind == "leak");

  struct Delays {  // in steps of each thread
    int before = 0, behind = 0, other = 0;
  };
  enum Reach { kArrive, kLoad };
  // CTA 0 reaches into CTA 1, which does not wait for it. Whether one of the reports says `part`.
  const auto seen = [&](Reach reach, Delays delays, const std::string& part) {
    const auto pass = [](int steps) {
      for (int i = 0; i < steps; ++i) current().preemption_point();
    };
    const auto kernel = [&] {
      make_ring(1, true);
      if (ptx::cluster_rank() == 1) {
        if (reach == kLoad && threadIdx.x == 0) {
          ptx::mbarrier_arrive_expect_tx(barrier(kFull), kBoxBytes);
        }
        return pass(delays.other);
      }
      if (threadIdx.x != 0) return;
      pass(delays.before);
      if (reach == kLoad) {
        ptx::tma_load_5d_multicast(tile(), &boxes.maps[0], barrier(kFull), 0, 0, 0, 0, 0, 2, 0);
      } else {
        ptx::mbarrier_arrive_cluster(ptx::map_shared(barrier(kFull), 1));
      }
      pass(delays.behind);
    };
    int times = 0;
    Options options = planted_options();
    for (options.seed = 1; options.seed <= 20; ++options.seed) {
      const Finding finding = find(64, kernel, options, 2);
      CHECK(finding.kind == "leak");
      times += finding.report.find(part) != std::string::npos;
    }
    return times > 0;
  };
  CHECK(seen(kArrive, {.before = 10000}, "phase 0: CTA 1 of the cluster has ended"));
  CHECK(seen(kArrive, {.other = 10000}, "may come after the end of the CTA"));
  CHECK(seen(kLoad,
             {.before = 10000},
             "a multicast load into shared memory: CTA 1 of the cluster has ended"));
  CHECK(seen(kLoad,
             {.behind = 10000, .other = 20},
             "a TMA load into shared memory: CTA 1 of the cluster has ended"));
  CHECK(seen(kLoad, {.behind = 100, .other = 1000}, "the CTA ends with a TMA load in flight"));
}

TEST_CASE("cluster: a multicast overwrites what the other CTA still reads") {
  const Boxes boxes;
  CHECK(find_in_pair(96, exchange(boxes, {.tell_other = 0})).kind == "race");
  // Whichever comes first: the load, issued in the other CTA, or the read that it must wait for.
  int found = 0;
  Options options = planted_options();
  for (options.seed = 1; options.seed <= 10; ++options.seed) {
    const Finding finding = find(96, exchange(boxes, {.tell_other = 1}), options, 2);
    CHECK(finding.kind == "race");
    if (finding.report.find("is written by a TMA load on mbarrier") == std::string::npos) continue;
    ++found;
    CHECK_THAT(finding.report, ContainsSubstring("without order after the read by thread"));
    CHECK_THAT(finding.report, ContainsSubstring("of CTA 0 of the cluster"));
    CHECK_THAT(finding.report, ContainsSubstring("of CTA 1 of the cluster"));
  }
  CHECK(found > 0);
}

TEST_CASE("cluster: its barrier orders what the CTAs have done") {
  const Boxes boxes;
  const auto kernel = [&](bool sync) {
    return [&, sync] {
      make_ring(1, true);
      ptx::st_shared_u32(tile() + 4 * threadIdx.x, 0);
      ptx::fence_proxy_async();
      if (sync) ptx::cluster_sync();
      if (threadIdx.x != 0) return;
      const u32 rank = ptx::cluster_rank();
      ptx::mbarrier_arrive_expect_tx(barrier(kFull), kBoxBytes);
      ptx::tma_load_5d_multicast(
          tile(), &boxes.maps[0], barrier(kFull), 0, 0, 0, 0, 0, 2u >> rank, 0);
      wait(barrier(kFull), 0);
    };
  };
  CHECK(find_in_pair(64, kernel(true)).kind == "none");
  const Finding finding = find_in_pair(64, kernel(false));
  CHECK(finding.kind == "race");
}

TEST_CASE("cluster: a thread that has ended is not waited for, and orders nothing") {
  const auto kernel = [](bool all) {
    return [all] {
      ptx::st_shared_u32(tile() + 4 * threadIdx.x, 0);
      if (!all && threadIdx.x >= 32) return;
      ptx::cluster_sync();
      if (threadIdx.x == 0) ptx::ld_shared_u32(tile() + 4 * 40);
    };
  };
  CHECK(find_in_pair(64, kernel(true)).kind == "none");
  CHECK(find_in_pair(64, kernel(false)).kind == "race");
}

TEST_CASE("cluster: a deadlock at its barrier names both CTAs") {
  int wait_line = 0, sync_line = 0;
  const Finding finding = find_in_pair(64, [&] {
    if (threadIdx.x == 0) ptx::mbarrier_init(barrier(0), 1);
    __syncthreads();
    if (ptx::cluster_rank() == 1 && threadIdx.x < 32) {
      while (true) {
        wait_line = __LINE__ + 1;
        if (ptx::mbarrier_try_wait_parity(barrier(0), 0)) break;
      }
    }
    sync_line = __LINE__, ptx::cluster_sync();
  });
  CHECK(finding.kind == "deadlock");
  for (const std::string& part :
       {"barrier.cluster  at " + line_of(__FILE__, sync_line) +
            "  <- warp 0 (producer) of CTA 0 of the cluster, warp 1 (consumer) of CTA 0 of the "
            "cluster, warp 1 (consumer) of CTA 1 of the cluster\n",
        "mbarrier parity 0 smem+8192 (barriers+0) of CTA 1 of the cluster at " +
            line_of(__FILE__, wait_line) + "  <- warp 0 (producer) of CTA 1 of the cluster\n",
        std::string("barrier of the cluster: 96 of 128 threads have arrived")}) {
    CHECK_THAT(finding.report, ContainsSubstring(part));
  }
}

TEST_CASE("cluster: a multicast's mask names CTAs that are there") {
  const Boxes boxes;
  for (const u32 mask : {0u, 4u, 7u, 0x10001u}) {
    const Finding finding = find_in_pair(96, exchange(boxes, {.mask = mask}));
    CHECK(finding.kind == "cluster");
    CHECK_THAT(finding.report, ContainsSubstring("by the mask " + std::to_string(mask)));
  }
  // One CTA short: it waits for bytes that do not come.
  CHECK(find_in_pair(96, exchange(boxes, {.mask = 1})).kind == "deadlock");
}

}  // namespace flashjit::emu
