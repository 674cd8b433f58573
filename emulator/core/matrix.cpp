#include "matrix.h"

#include <algorithm>
#include <cstring>

#include "emu/float16.h"

namespace flashjit::emu {
namespace {

float to_float(Dtype dtype, u32 bits) {
  const u16 x = static_cast<u16>(bits);
  return dtype == Dtype::kBf16 ? bf16_to_float(x) : fp16_to_float(x);
}

}  // namespace

// The 8 rows of a matrix pass in one wavefront when they lie in 8 different groups of 4 banks.
void Matrix::count_bank_conflicts(const u32* addrs, int count, const Loc& loc) {
  std::uint64_t extra = 0;
  for (int m = 0; m < count; ++m) {
    int hits[8] = {};
    for (int row = 0; row < 8; ++row) ++hits[addrs[8 * m + row] / 16 % 8];
    extra += static_cast<std::uint64_t>(*std::max_element(hits, hits + 8) - 1);
  }
  if (extra == 0) return;
  cta_.stats.bank_conflicts += extra;
  cta_.stats.bank_conflicts_at[where(loc)] += extra;
}

void Matrix::load(u32* r, int count, bool trans, u32 addr, const Loc& loc) {
  struct Args {
    u32 addr;
    u32* r;
  } mine{addr, r};
  collectives_.run(~0u, "ldmatrix", true, mine, loc, [&](std::array<Args*, 32>& all) {
    const int warp = cta_.warp();
    const u32 time = times_[static_cast<std::size_t>(warp)]++;
    u32 addrs[32];
    for (std::size_t i = 0; i < 32; ++i) addrs[i] = all[i]->addr;
    count_bank_conflicts(addrs, count, loc);
    for (int m = 0; m < count; ++m) {
      u16 e[8][8];
      for (int row = 0; row < 8; ++row) {
        const u32 from = addrs[8 * m + row];
        std::memcpy(e[row], cta_.smem(from, 16, 16, loc), 16);
        cta_.order.collective_read(warp, time, Context::offset_of(from), 16, loc);
      }
      for (std::size_t lane = 0; lane < 32; ++lane) {
        const std::size_t i = lane / 4, j = lane % 4 * 2;
        all[lane]->r[m] =
            trans ? u32{e[j][i]} | u32{e[j + 1][i]} << 16 : u32{e[i][j]} | u32{e[i][j + 1]} << 16;
      }
    }
    cta_.order.collective_completed(warp, time);
  });
}

void Matrix::store(u32 addr, const u32* r, int count, bool trans, const Loc& loc) {
  struct Args {
    u32 addr;
    const u32* r;
  } mine{addr, r};
  collectives_.run(~0u, "stmatrix", true, mine, loc, [&](std::array<Args*, 32>& all) {
    u32 addrs[32];
    for (std::size_t i = 0; i < 32; ++i) addrs[i] = all[i]->addr;
    count_bank_conflicts(addrs, count, loc);
    for (int m = 0; m < count; ++m) {
      for (int row = 0; row < 8; ++row) {
        const int owner = 8 * m + row;  // the lane that gave the address writes
        u8* to = cta_.smem(addrs[owner], 16, 16, loc);
        cta_.order.write(32 * cta_.warp() + owner, Context::offset_of(addrs[owner]), 16, loc);
        for (int column = 0; column < 8; ++column) {
          const int i = trans ? column : row, j = trans ? row : column;
          const int holder = i * 4 + j / 2;
          const u32 pair = all[static_cast<std::size_t>(holder)]->r[m];
          const u16 element = static_cast<u16>(pair >> 16 * (j % 2));
          std::memcpy(to + 2 * column, &element, 2);
        }
      }
    }
  });
}

void unpack_a(Dtype dtype, const u32* a, int lane, float (&matrix)[16][16]) {
  const int row = lane / 4, column = lane % 4 * 2;
  for (int i = 0; i < 4; ++i) {
    for (int h = 0; h < 2; ++h) {
      matrix[row + i % 2 * 8][column + i / 2 * 8 + h] = to_float(dtype, a[i] >> 16 * h);
    }
  }
}

void Matrix::mma(
    Dtype dtype, float* const (&d)[4], const u32* a, const u32 (&b)[2], const Loc& loc) {
  struct Args {
    float* const* d;
    const u32 *a, *b;
  } mine{d, a, b};
  collectives_.run(~0u, "mma", true, mine, loc, [&](std::array<Args*, 32>& all) {
    ++cta_.stats.mma;
    float ma[16][16], mb[16][8], sum[16][8] = {};
    for (int lane = 0; lane < 32; ++lane) {
      const Args& args = *all[static_cast<std::size_t>(lane)];
      unpack_a(dtype, args.a, lane, ma);
      for (int i = 0; i < 2; ++i) {
        for (int h = 0; h < 2; ++h) {
          mb[lane % 4 * 2 + i * 8 + h][lane / 4] = to_float(dtype, args.b[i] >> 16 * h);
        }
      }
    }
    for (int i = 0; i < 16; ++i) {
      for (int k = 0; k < 16; ++k) {
        for (int j = 0; j < 8; ++j) sum[i][j] += ma[i][k] * mb[k][j];
      }
    }
    for (int lane = 0; lane < 32; ++lane) {
      float* const* to = all[static_cast<std::size_t>(lane)]->d;
      for (int i = 0; i < 4; ++i) *to[i] += sum[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
    }
  });
}

}  // namespace flashjit::emu
