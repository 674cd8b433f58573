// The happens-before detector: every way in which an order can be missing, each beside the same
// kernel with the order there. One schedule is enough, so all of ten must find it.
#include "planted_parts.h"
#include "ptx/barrier.h"
#include "ptx/matrix.h"
#include "ptx/mbarrier.h"
#include "ptx/shared_memory.h"
#include "ptx/tma.h"

namespace flashjit::emu {

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

}  // namespace flashjit::emu
