// What every schedule shows of mbarriers that only some would suffer from: arrivals that may count
// for the phase before, and lanes that may miss a phase.
#include "ptx/mbarrier.h"
#include "planted_parts.h"
#include "ptx/shared_memory.h"

namespace flashjit::emu {
namespace {

enum : u32 { kFull, kEmpty };

// Warp 0's first thread fills a buffer for warps 1 and 2, one lane of which hands it back.
template <class Release>
auto ring_of_one(Release release) {
  return [release] {
    if (threadIdx.x == 0) {
      ptx::mbarrier_init(barrier(kFull), 1);
      ptx::mbarrier_init(barrier(kEmpty), 2);
    }
    __syncthreads();
    for (u32 round = 0; round < 4; ++round) {
      if (threadIdx.x == 0) {
        wait(barrier(kEmpty), (round & 1) ^ 1);
        ptx::mbarrier_arrive(barrier(kFull));
      } else if (threadIdx.x >= 32) {
        release(round);
      }
    }
  };
}

bool is_lane_0() { return threadIdx.x % 32 == 0; }

}  // namespace

TEST_CASE("mbarrier: a lane arrives for its warp, whose other lanes may not have waited yet") {
  const auto kernel = [](auto meet) {
    return ring_of_one([meet](u32 round) {
      wait(barrier(kFull), round & 1);
      meet();
      if (is_lane_0()) ptx::mbarrier_arrive(barrier(kEmpty));
    });
  };
  CHECK(find_in_all(96, kernel([] { __syncwarp(); })).kind == "none");
  // A shuffle orders no memory, but nobody comes out of it before all have come out of the wait.
  CHECK(find_in_all(96, kernel([] { __shfl_sync(~0u, 0, 0); })).kind == "none");
  const Finding finding = find_in_all(96, kernel([] {}));
  CHECK(finding.kind == "mbarrier");
  CHECK_THAT(finding.report, ContainsSubstring("one lane arrives at mbarrier #1"));
  CHECK_THAT(finding.report, ContainsSubstring("have seen the phase of mbarrier #0"));
}

TEST_CASE("mbarrier: a lane that waits and arrives for itself alone is whole") {
  const auto kernel = ring_of_one([](u32 round) {
    if (!is_lane_0()) return;
    wait(barrier(kFull), round & 1);
    ptx::mbarrier_arrive(barrier(kEmpty));
  });
  CHECK(find_in_all(96, kernel).kind == "none");
}

TEST_CASE("mbarrier: an arrival without order after the phase before may count for it") {
  const auto kernel = [](bool sync) {
    return [sync] {
      if (threadIdx.x == 0) ptx::mbarrier_init(barrier(kEmpty), 2);
      __syncthreads();
      if (threadIdx.x % 32 != 0) return;
      for (u32 round = 0; round < 3; ++round) {
        ptx::mbarrier_arrive(barrier(kEmpty));
        if (sync || threadIdx.x == 0) wait(barrier(kEmpty), round & 1);
      }
    };
  };
  CHECK(find_in_all(64, kernel(true)).kind == "none");
  // Where the other thread's arrivals come at once, they are the two of the first phase, and
  // thread 0 ends as one too many or waits for a phase that nobody completes.
  const auto reports = reports_by_kind(64, kernel(false));
  CHECK(reports.count("none") == 0);
  REQUIRE(reports.count("mbarrier") == 1);
}

TEST_CASE(
    "mbarrier: who leaves out a wait may take an older phase for the next one of its parity") {
  const auto kernel = [](bool every_round) {
    return [every_round] {
      if (threadIdx.x == 0) {
        ptx::mbarrier_init(barrier(kFull), 1);
        ptx::mbarrier_init(barrier(kEmpty), 1);
      }
      __syncthreads();
      for (u32 round = 0; round < 5; ++round) {
        if (threadIdx.x == 0) {
          wait(barrier(kEmpty), (round & 1) ^ 1);
          ptx::mbarrier_arrive(barrier(kFull));
        } else if (threadIdx.x == 32) {
          if (every_round || round % 2 == 0) wait(barrier(kFull), round & 1);
          ptx::mbarrier_arrive(barrier(kEmpty));
        }
      }
    };
  };
  CHECK(find_in_all(64, kernel(true)).kind == "none");
  const auto reports = reports_by_kind(64, kernel(false));
  REQUIRE(reports.count("mbarrier") == 1);
  CHECK_THAT(reports.at("mbarrier"), ContainsSubstring("by an older one of the same parity"));
}

}  // namespace flashjit::emu
