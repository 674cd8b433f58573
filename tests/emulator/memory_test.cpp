// Accesses that are wrong whatever the order: out of bounds, misaligned, never written; and the
// count of bank conflicts.
#include <array>

#include "emulator/backend/guarded_buffer.h"
#include "planted.h"
#include "ptx/cp_async.h"
#include "ptx/matrix.h"
#include "ptx/mbarrier.h"
#include "ptx/shared_memory.h"
#include "ptx/tma.h"

namespace flashjit::emu {
namespace {

u32 smem() { return ptx::dynamic_smem(); }

}  // namespace

TEST_CASE("bounds: shared memory ends where the launch says") {
  int line = 0;
  const Finding past = find_in_all(64, [&] {
    if (threadIdx.x == 33) line = __LINE__, ptx::st_shared_u32(smem() + kSmemBytes, 0);
  });
  CHECK(past.kind == "bounds");
  CHECK_THAT(past.report, ContainsSubstring("4 bytes at smem+8256 are outside of the CTA's 8256"));
  CHECK_THAT(past.report, ContainsSubstring(line_of(__FILE__, line)));
  CHECK_THAT(past.report, ContainsSubstring("thread 33 of warp 1 (consumer), lane 1"));

  const Finding before = find_in_all(32, [&] { ptx::ld_shared_u32(smem() - 4); });
  CHECK(before.kind == "bounds");
  CHECK_THAT(before.report, ContainsSubstring("smem-4"));

  u32 r[4] = {};
  CHECK(find_in_all(32, [&] {
          ptx::ldmatrix_x4(r, smem() + kSmemBytes - 16 * threadIdx.x);
        }).kind == "bounds");
  CHECK(find_in_all(32, [&] { ptx::stmatrix_x4(smem() + kSmemBytes - 8, 0, 0, 0, 0); }).kind ==
        "bounds");
  CHECK(find_in_all(32, [&] { ptx::st_shared_u32(smem() + kSmemBytes - 4, 0); }).kind == "race");
}

TEST_CASE("bounds: TMA writes its whole box") {
  alignas(16) std::array<u16, 512> global = {};
  TensorMapFields fields;
  fields.base = reinterpret_cast<u8*>(global.data());
  fields.rank = 2;
  fields.dims[0] = 64, fields.dims[1] = 8, fields.strides[0] = 128;
  fields.box[0] = 64, fields.box[1] = 8;
  const TensorMap map = encode_tensor_map(fields);
  const Finding finding = find_in_all(32, [&] {
    if (threadIdx.x != 0) return;
    ptx::mbarrier_init(smem() + kBarriers, 1);
    ptx::fence_mbarrier_init();
    ptx::mbarrier_arrive_expect_tx(smem() + kBarriers, 1024);
    ptx::tma_load_5d(smem() + 7424, &map, smem() + kBarriers, 0, 0, 0, 0, 0, 0);
  });
  CHECK(finding.kind == "bounds");
  CHECK_THAT(finding.report, ContainsSubstring("1024 bytes at smem+7424"));

  fields.strides[0] = 120;
  CHECK_THROWS_WITH(encode_tensor_map(fields), ContainsSubstring("multiples of 16 bytes"));
  fields.strides[0] = 128;
  fields.swizzle = Swizzle::k64B;
  CHECK_THROWS_WITH(encode_tensor_map(fields), ContainsSubstring("swizzle's span"));
}

TEST_CASE("bounds: global memory through cp.async and through the processor") {
  const GuardedBuffer buffer(256);
  Options options = planted_options();
  options.global_buffers = {{buffer.data(), buffer.size()}};
  const Finding copy = find_in_all(
      32,
      [&] {
        ptx::cp_async_16(smem() + 16 * threadIdx.x, buffer.data() + 16 * threadIdx.x, 16);
        ptx::cp_async_commit();
        ptx::cp_async_wait<0>();
      },
      options);
  CHECK(copy.kind == "bounds");
  CHECK_THAT(copy.report, ContainsSubstring("global memory outside of every buffer"));
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
  volatile int* const past = reinterpret_cast<int*>(buffer.data() + 256);
  int line = 0;
  const Finding store = find_in_all(64, [&] {
    line = __LINE__, __syncthreads();
    if (threadIdx.x == 50) *past = 1;
  });
  CHECK(store.kind == "bounds");
  CHECK_THAT(store.report, ContainsSubstring("past the end or before the start of a buffer"));
  CHECK_THAT(store.report, ContainsSubstring(line_of(__FILE__, line)));
  CHECK_THAT(store.report, ContainsSubstring("thread 50 of warp 1 (consumer)"));
#endif
}

TEST_CASE("alignment: an access must lie on a multiple of its size") {
  const Finding finding = find_in_all(32, [] { ptx::ld_shared_v4(smem() + 8); });
  CHECK(finding.kind == "alignment");
  CHECK_THAT(finding.report, ContainsSubstring("smem+8 (tile+8) is not aligned to 16 bytes"));
  CHECK(find_in_all(32, [] { ptx::st_shared_u16(smem() + 1, 0); }).kind == "alignment");
  alignas(16) const std::array<u8, 32> global = {};
  CHECK(find_in_all(32, [&] { ptx::cp_async_16(smem(), &global[8], 16); }).kind == "alignment");
}

TEST_CASE("uninitialised: a read of what nobody has written names the reader and the place") {
  int line = 0;
  const auto kernel = [&](bool written) {
    return [&, written] {
      if (written && threadIdx.x == 2) ptx::st_shared_u16(smem() + 100, 1);
      __syncthreads();
      if (threadIdx.x == 2) line = __LINE__, ptx::ld_shared_u16(smem() + 100);
    };
  };
  CHECK(find_in_all(32, kernel(true)).kind == "none");
  const Finding finding = find_in_all(32, kernel(false));
  CHECK(finding.kind == "uninitialised");
  CHECK_THAT(finding.report, ContainsSubstring("smem+100 (tile+100) was never written"));
  CHECK_THAT(finding.report, ContainsSubstring("thread 2 of warp 0 (producer), lane 2"));
  CHECK_THAT(finding.report, ContainsSubstring(line_of(__FILE__, line)));
  Options silent = planted_options();
  silent.detect_uninitialised = false;
  CHECK(find_in_all(32, kernel(false), silent).kind == "none");
}

TEST_CASE("uninitialised: shared memory is forgotten from CTA to CTA") {
  Options options = planted_options();
  std::string kind = "none";
  try {
    launch(
        {2, 1, 1},
        {32, 1, 1},
        kSmemBytes,
        [] {
          if (blockIdx.x == 0) ptx::st_shared_u32(smem() + 4 * threadIdx.x, 1);
          if (blockIdx.x == 1) ptx::ld_shared_u32(smem() + 4 * threadIdx.x);
        },
        options);
  } catch (const Failure& failure) {
    kind = failure.kind();
    CHECK_THAT(failure.what(), ContainsSubstring("CTA (1, 0, 0)"));
  }
  CHECK(kind == "uninitialised");
}

TEST_CASE("banks: rows of 128 bytes conflict, swizzled rows do not") {
  const auto conflicts = [](bool swizzle) {
    int line = 0;
    const Stats stats = launch(
        {1, 1, 1},
        {32, 1, 1},
        kSmemBytes,
        [&] {
          const u32 row = 128 * threadIdx.x, chunk = swizzle ? threadIdx.x % 8 * 16 : 0;
          ptx::st_shared_v4(smem() + row + chunk, {});
          __syncwarp();
          u32 r[4];
          line = __LINE__, ptx::ldmatrix_x4(r, smem() + row + chunk);
        },
        planted_options());
    if (stats.bank_conflicts > 0) {
      CHECK(stats.bank_conflicts_at.at(line_of(__FILE__, line)) == stats.bank_conflicts);
    }
    return stats.bank_conflicts;
  };
  CHECK(conflicts(false) == 4 * 7);  // each matrix takes eight wavefronts instead of one
  CHECK(conflicts(true) == 0);
}

}  // namespace flashjit::emu
