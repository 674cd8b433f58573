// Where boxes of TMA lie in shared memory: rows that are shorter than the swizzle's span leave
// gaps.
#include "ptx/tma.h"

#include <numeric>

#include "planted_parts.h"
#include "ptx/mbarrier.h"
#include "ptx/shared_memory.h"

namespace flashjit::emu {
namespace {

constexpr u32 kRows = 8, kSpan = 128;

// A tensor of 64 x 8 and boxes of `columns` elements by eight rows.
TensorMap short_rows(void* base, u16 columns, Swizzle swizzle) {
  TensorMapFields fields;
  fields.base = static_cast<u8*>(base);
  fields.rank = 2;
  fields.dims[0] = 64, fields.dims[1] = kRows;
  fields.box[0] = columns, fields.box[1] = kRows;
  fields.strides[0] = 128;
  fields.swizzle = swizzle;
  return encode_tensor_map(fields);
}

Global numbered() {
  Global global;
  std::iota(global.elements.begin(), global.elements.end(), u16{0});
  return global;
}

// One thread loads the box over a tile of 77s.
void load(const TensorMap& map, u32 bytes, u32 to) {
  for (u32 at = 0; at < kTileBytes; at += 4) ptx::st_shared_u32(tile() + at, 77);
  ptx::mbarrier_init(barrier(), 1);
  ptx::fence_mbarrier_init();
  ptx::mbarrier_arrive_expect_tx(barrier(), bytes);
  ptx::tma_load_5d(to, &map, barrier(), 0, 0, 0, 0, 0, 0);
  while (!ptx::mbarrier_try_wait_parity(barrier(), 0)) {
  }
}

// Fails where a word of the first 2 KiB is neither the box's nor what was there before.
void check_box(u32 columns, u32 pitch, Swizzle swizzle) {
  std::map<u32, u32> wanted;
  for (u32 row = 0; row < kRows; ++row) {
    for (u32 column = 0; column < columns; column += 2) {
      const u32 element = 64 * row + column;
      wanted[swizzled(swizzle, row * pitch + 2 * column)] = element | (element + 1) << 16;
    }
  }
  for (u32 at = 0; at < 2048; at += 4) {
    const u32 word = ptx::ld_shared_u32(tile() + at);
    if (word != (wanted.count(at) ? wanted.at(at) : 77)) {
      current().fail("wrong", ("word at " + std::to_string(at)).c_str(), Loc::current());
    }
  }
}

template <class Body>
auto first_thread(const Body& body) {
  return [&body] {
    if (threadIdx.x == 0) body();
  };
}

}  // namespace

TEST_CASE("tma: short rows lie a swizzle span apart, and what is between them stays") {
  Global global = numbered();
  struct Layout {
    u16 columns;
    Swizzle swizzle;
    u32 pitch;
  };
  for (const auto& [columns, swizzle, pitch] : {Layout{64, Swizzle::k128B, 128},
                                                Layout{32, Swizzle::k128B, 128},
                                                Layout{8, Swizzle::k128B, 128},
                                                Layout{24, Swizzle::k64B, 64},
                                                Layout{8, Swizzle::k32B, 32},
                                                Layout{32, Swizzle::kNone, 64}}) {
    const TensorMap map = short_rows(&global, columns, swizzle);
    INFO(columns << " columns, pitch " << pitch);
    const Finding finding = find_in_all(32, first_thread([&] {
                                          load(map, 2u * columns * kRows, tile());
                                          check_box(columns, pitch, swizzle);
                                        }));
    CHECK(finding.kind == "none");
  }
}

TEST_CASE("tma: the bytes between short rows do not count and are nobody's") {
  Global global = numbered();
  const TensorMap map = short_rows(&global, 32, Swizzle::k128B);
  // 512 bytes come, whatever the box covers.
  const auto wait_for = [&](u32 bytes) {
    return find_in_all(32, first_thread([&, bytes] { load(map, bytes, tile()); })).kind;
  };
  CHECK(wait_for(512) == "none");
  CHECK(wait_for(1024) == "deadlock");

  // Another thread writes while the load is in flight: beside row 0, and into it.
  const auto write_at = [&](u32 offset) {
    return find_in_all(64, [&, offset] {
      if (threadIdx.x == 0) load(map, 512, tile() + 4096);
      __syncthreads();
      if (threadIdx.x == 32) ptx::st_shared_u32(tile() + 4096 + offset, 1);
    });
  };
  CHECK(write_at(64).kind == "none");
  const auto race_at = [&](u32 offset) {
    return find_in_all(64,
                       [&, offset] {
                         if (threadIdx.x == 0) {
                           ptx::mbarrier_init(barrier(), 1);
                           ptx::fence_mbarrier_init();
                         }
                         __syncthreads();
                         if (threadIdx.x == 0) {
                           ptx::mbarrier_arrive_expect_tx(barrier(), 512);
                           ptx::tma_load_5d(tile(), &map, barrier(), 0, 0, 0, 0, 0, 0);
                           while (!ptx::mbarrier_try_wait_parity(barrier(), 0)) {
                           }
                         } else if (threadIdx.x == 32) {
                           ptx::st_shared_u32(tile() + offset, 1);
                         }
                       })
        .kind;
  };
  CHECK(race_at(64) == "none");
  CHECK(race_at(127) == "alignment");
  CHECK(race_at(60) == "race");
  // The chunks of row 1 change places in pairs, those of row 4 with the other half.
  CHECK(race_at(128 + 64) == "none");
  CHECK(race_at(4 * 128 + 64) == "race");
  CHECK(race_at(4 * 128) == "none");
}

TEST_CASE("tma: a box of short rows needs its spans, and a store leaves the gaps unread") {
  Global global = numbered(), out;
  const TensorMap map = short_rows(&global, 32, Swizzle::k128B);
  const TensorMap map_out = short_rows(&out, 32, Swizzle::k128B);
  const auto load_to = [&](u32 offset) {
    return find_in_all(32, first_thread([&, offset] { load(map, 512, tile() + offset); })).kind;
  };
  CHECK(load_to(kTileBytes - kRows * kSpan) == "none");
  CHECK(load_to(kTileBytes - 6 * kSpan) == "bounds");
  const Finding stored =
      find_in_all(32, first_thread([&] {
                    // Nobody has written the gaps.
                    for (u32 row = 0; row < kRows; ++row) {
                      for (u32 i = 0; i < 16; ++i) {
                        const u32 at = row * kSpan + 4 * i;
                        ptx::st_shared_u32(tile() + swizzled(Swizzle::k128B, at), at);
                      }
                    }
                    ptx::fence_proxy_async();
                    ptx::tma_store_5d(&map_out, tile(), 0, 0, 0, 0, 0);
                    ptx::bulk_commit();
                    ptx::bulk_wait<0>();
                  }));
  INFO(stored.report);
  CHECK(stored.kind == "none");
  for (u32 row = 0; row < kRows; ++row) {
    CHECK(out.elements[64 * row + 6] == row * kSpan + 12);
    CHECK(out.elements[64 * row + 32] == 0);
  }
}

}  // namespace flashjit::emu
