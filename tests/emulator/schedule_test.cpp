// The threads of a CTA: divergence, deadlock and who waits where, barriers, register pools, the
// step limit; and that a seed repeats its schedule.
#include <set>
#include <vector>

#include "emulator/core/cluster.h"
#include "planted_parts.h"
#include "ptx/barrier.h"
#include "ptx/matrix.h"
#include "ptx/mbarrier.h"
#include "ptx/shared_memory.h"
#include "ptx/wgmma.h"

namespace flashjit::emu {

TEST_CASE("divergence: lanes of a warp meet in different operations") {
  int sync_line = 0, shuffle_line = 0;
  const Finding finding = find_in_all(32, [&] {
    if (threadIdx.x < 16) {
      sync_line = __LINE__, __syncwarp();
    } else {
      shuffle_line = __LINE__, __shfl_sync(~0u, 1, 0);
    }
  });
  CHECK(finding.kind == "divergence");
  CHECK_THAT(finding.report, ContainsSubstring("while other lanes of the warp execute"));
  CHECK_THAT(finding.report, ContainsSubstring(line_of(__FILE__, sync_line)));
  CHECK_THAT(finding.report, ContainsSubstring(line_of(__FILE__, shuffle_line)));
}

TEST_CASE("divergence: an aligned instruction is one line for the whole warp") {
  u32 r[4];
  const Finding finding = find_in_all(32, [&] {
    ptx::st_shared_v4(ptx::dynamic_smem() + 16 * threadIdx.x, {});
    __syncwarp();
    if (threadIdx.x % 2 == 0) {
      ptx::ldmatrix_x4(r, ptx::dynamic_smem() + 16 * threadIdx.x);
    } else {
      ptx::ldmatrix_x4(r, ptx::dynamic_smem() + 16 * threadIdx.x);
    }
  });
  CHECK(finding.kind == "divergence");
}

TEST_CASE("divergence: a lane calls with a mask that it is not in, a shuffle reads from outside") {
  CHECK(find_in_all(32, [] { __syncwarp(0xffff0000u); }).kind == "divergence");
  CHECK(find_in_all(32, [] {
          if (threadIdx.x < 16) __shfl_sync(0xffffu, 1, 20);
        }).kind == "shuffle");
}

TEST_CASE("barrier: thread counts must agree and exist") {
  const auto kind = [](const auto& body) { return find_in_all(64, body).kind; };
  // A warp that comes alone to a barrier of its own goes on; the other waits for its second half.
  const auto reports = reports_by_kind(64, [] { ptx::bar_sync(2, threadIdx.x < 32 ? 64 : 32); });
  CHECK(reports.count("deadlock") + reports.count("barrier") == reports.size());
  CHECK_THAT(reports.at("barrier"), ContainsSubstring("is used with"));
  CHECK_THAT(reports.at("barrier"), ContainsSubstring("64"));
  CHECK(kind([] { ptx::bar_sync(16, 64); }) == "barrier");
  CHECK(kind([] { ptx::bar_sync(1, 40); }) == "barrier");
  CHECK(kind([] { ptx::bar_sync(1, 96); }) == "barrier");
}

TEST_CASE("mbarrier: misuse is named") {
  const auto find_one = [](const auto& body) {
    return find_in_all(32, [&body] {
      if (threadIdx.x == 0) body();
    });
  };
  const Finding none = find_one([] { ptx::mbarrier_arrive(barrier()); });
  CHECK(none.kind == "mbarrier");
  CHECK_THAT(none.report, ContainsSubstring("holds no initialised mbarrier"));
  const Finding twice = find_one([] {
    ptx::mbarrier_init(barrier(), 1);
    ptx::mbarrier_init(barrier(), 1);
  });
  CHECK_THAT(twice.report, ContainsSubstring("initialised twice"));
  CHECK(find_one([] { ptx::mbarrier_init(barrier(), 0); }).kind == "mbarrier");
  const Finding too_many = find_one([] {
    ptx::mbarrier_init(barrier(), 1);
    ptx::mbarrier_arrive_expect_tx(barrier(), 16);
    ptx::mbarrier_arrive(barrier());
  });
  CHECK(too_many.kind == "mbarrier");
  CHECK_THAT(too_many.report,
             ContainsSubstring("more arrivals at mbarrier #0 at smem+8192 (barriers+0), phase 0"));
}

TEST_CASE("deadlock: the report says who waits where, and for what") {
  int wait_line = 0, sync_line = 0;
  const Finding finding = find_in_all(96, [&] {
    if (threadIdx.x == 0) ptx::mbarrier_init(barrier(), 2);
    __syncthreads();
    if (threadIdx.x == 0) ptx::mbarrier_arrive(barrier());  // the second arrival never comes
    if (threadIdx.x < 32) {
      while (true) {
        wait_line = __LINE__;
        if (ptx::mbarrier_try_wait_parity(barrier(), 0)) break;
      }
    } else if (threadIdx.x < 64) {
      sync_line = __LINE__, ptx::bar_sync(3, 64);
    }
  });
  CHECK(finding.kind == "deadlock");
  for (const std::string& part :
       {std::string("every thread waits"),
        "mbarrier parity 0 smem+8192 (barriers+0) at " + line_of(__FILE__, wait_line + 1) +
            "  <- warp 0 (producer)",
        "bar.sync 3 at " + line_of(__FILE__, sync_line) + "  <- warp 1 (consumer)",
        std::string(
            "mbarrier #0 at smem+8192 (barriers+0), phase 0: 1 of 2 arrivals and 0 bytes missing"),
        std::string("barrier 3: 32 of 64 threads have arrived")}) {
    CHECK_THAT(finding.report, ContainsSubstring(part));
  }
}

TEST_CASE("registers: an increase waits for a decrease, and for ever without one") {
  // 384 threads hold 168 each: 128 · (168 − 24) come back, enough for 240 in the other two.
  const auto kernel = [](bool gives) {
    return [gives] {
      if (threadIdx.x < 128) {
        if (gives) ptx::setmaxnreg_dec<24>();
      } else {
        ptx::setmaxnreg_inc<240>();
      }
    };
  };
  CHECK(find_in_all(384, kernel(true)).kind == "none");
  const Finding finding = find_in_all(384, kernel(false));
  CHECK(finding.kind == "deadlock");
  CHECK_THAT(finding.report, ContainsSubstring("setmaxnreg.inc 240 at schedule_test.cpp"));
  CHECK_THAT(finding.report, ContainsSubstring("registers: 0 free, wanted by 256 threads"));
  CHECK(find_in_all(128, [] { ptx::setmaxnreg_inc<24>(); }).kind == "registers");
  CHECK(find_in_all(384, [] { ptx::setmaxnreg_dec<240>(); }).kind == "registers");
}

TEST_CASE("steps: a kernel that loops for ever ends with the state of those who wait") {
  Options options = planted_options();
  options.max_steps = 20000;
  int line = 0;
  const Finding finding = find_in_all(
      64,
      [&] {
        ptx::st_shared_u32(ptx::dynamic_smem() + 4 * threadIdx.x, 0);
        if (threadIdx.x >= 32) {
          line = __LINE__, __syncthreads();
          return;
        }
        while (ptx::ld_shared_u32(ptx::dynamic_smem() + 4 * threadIdx.x) == 0) {
        }
      },
      options);
  CHECK(finding.kind == "steps");
  CHECK_THAT(finding.report, ContainsSubstring("has not ended after 20000 steps"));
  // The spinning warp may keep the other from its barrier for all of the steps, in some schedules.
  bool names_waiters = false;
  for (options.seed = 1; options.seed <= 10 && !names_waiters; ++options.seed) {
    names_waiters = find(
                        64,
                        [&] {
                          ptx::st_shared_u32(ptx::dynamic_smem() + 4 * threadIdx.x, 0);
                          if (threadIdx.x >= 32) __syncthreads();
                          while (ptx::ld_shared_u32(ptx::dynamic_smem() + 4 * threadIdx.x) == 0) {
                          }
                        },
                        options)
                        .report.find("bar.sync  at schedule_test.cpp") != std::string::npos;
  }
  CHECK(names_waiters);
}

TEST_CASE("seeds: the same one repeats a schedule, others make others") {
  const auto order_of = [](std::uint64_t seed) {
    Options options = planted_options();
    options.seed = seed;
    std::vector<int> order;
    const Stats stats = launch(
        {2, 1, 1},
        {96, 1, 1},
        kSmemBytes,
        [&] {
          for (int i = 0; i < 3; ++i) {
            order.push_back(int(threadIdx.x));
            ptx::st_shared_u32(ptx::dynamic_smem() + 4 * threadIdx.x, 0);
            __syncwarp();
          }
        },
        options);
    order.push_back(int(stats.switches));
    return order;
  };
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const std::vector<int> order = order_of(seed);
    CHECK(order == order_of(seed));
    orders.insert(order);
  }
  CHECK(orders.size() == 8);
}

TEST_CASE("seeds: a finding is repeated word for word") {
  const auto kernel = [] {
    ptx::st_shared_u32(ptx::dynamic_smem() + 4 * (threadIdx.x % 32), 1);
    ptx::ld_shared_u32(ptx::dynamic_smem() + 4 * (threadIdx.x % 32));
  };
  Options options = planted_options();
  std::set<std::string> reports;
  for (options.seed = 1; options.seed <= 8; ++options.seed) {
    const Finding finding = find(64, kernel, options);
    CHECK(finding.kind == "race");
    CHECK(find(64, kernel, options).report == finding.report);
    reports.insert(finding.report.substr(0, finding.report.find("\n  in CTA")));
  }
  CHECK(reports.size() > 1);  // schedules differ in who comes first
}

TEST_CASE("launch: bad blocks, exceptions and several workers") {
  CHECK(find(48, [] {}).kind == "launch");
  CHECK(find(1056, [] {}).kind == "launch");
  CHECK_THROWS_AS(find(32, [] { throw std::out_of_range("x"); }), std::out_of_range);
  CHECK_FALSE(is_running());
  Options options = planted_options();
  options.workers = 2;
  std::atomic<int> threads = 0;
  launch(
      {7, 2, 1}, {64, 1, 1}, kSmemBytes, [&] { ++threads; }, options);
  CHECK(threads == 7 * 2 * 64);
}

}  // namespace flashjit::emu
