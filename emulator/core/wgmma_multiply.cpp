// The arithmetic of wgmma: where operands lie in shared memory, and D (+)= A · B for the 16 rows of
// a warp.
#include <algorithm>
#include <cstring>

#include "emu/float16.h"
#include "matrix.h"
#include "wgmma.h"

namespace flashjit::emu {
namespace {

constexpr u32 kRowBytes[] = {16, 32, 64, 128};  // of a swizzle atom, by Swizzle

float to_float(Dtype dtype, u16 x) {
  return dtype == Dtype::kBf16 ? bf16_to_float(x) : fp16_to_float(x);
}

}  // namespace

// Canonical layouts, PTX ISA 9.7.15.5.1. K-major: eight rows of an atom follow each other, groups
// of eight rows are `stride` apart; without a swizzle the two halves of k16 are `leading` apart.
u32 MatrixDescriptor::k_major(u32 row, u32 k) const {
  const u32 row_bytes = kRowBytes[static_cast<int>(swizzle)];
  const u32 along_k = swizzle == Swizzle::kNone ? k / 8 * leading : k * 2;
  return swizzled(swizzle, start + row / 8 * stride + row % 8 * row_bytes + along_k);
}

// MN-major: an atom is row_bytes of M or N by eight k; atoms are `leading` apart along M or N and
// `stride` along k. Without a swizzle the two change places.
u32 MatrixDescriptor::mn_major(u32 row, u32 k) const {
  const u32 row_bytes = kRowBytes[static_cast<int>(swizzle)], elements = row_bytes / 2;
  const u32 outer = swizzle == Swizzle::kNone ? stride : leading;
  const u32 inner = swizzle == Swizzle::kNone ? leading : stride;
  return swizzled(
      swizzle,
      start + row / elements * outer + row % elements * 2 + k / 8 * inner + k % 8 * row_bytes);
}

void Wgmma::record_reads(const Operation& op) {
  const Warp& w = warp();
  const u32 time = w.retired + static_cast<u32>(w.groups.size()) + 1;
  const auto read = [&](u32 addr) {
    cta_.smem(addr, 16, 16, op.loc);
    cta_.order.wgmma_read(op.warp, time, Context::offset_of(addr), 16, op.loc);
  };
  const u32 n = 2 * static_cast<u32>(op.args.num_d), row0 = first_row(op);
  for (u32 row = 0; row < n; row += op.args.trans_b ? 8 : 1) {
    for (u32 k = 0; k < 16; k += op.args.trans_b ? 1 : 8) {
      read(op.args.trans_b ? op.b.mn_major(row, k) : op.b.k_major(row, k));
    }
  }
  for (u32 i = 0; !op.args.a && i < 16; ++i) {
    for (u32 k = 0; k < 16; k += 8) read(op.a.k_major(row0 + i, k));
  }
}

void Wgmma::execute(Operation& op) {
  constexpr int kMaxN = 256;
  const Dtype dtype = op.args.dtype;
  const int n = 2 * op.args.num_d;
  float a[16][16], b[16][kMaxN], product[16][kMaxN];
  u16 e[8];
  if (op.args.a) {
    for (int lane = 0; lane < 32; ++lane) {
      unpack_a(dtype, op.a_values[static_cast<std::size_t>(lane)].data(), lane, a);
    }
  } else {
    for (u32 i = 0; i < 16; ++i) {
      for (u32 k = 0; k < 16; k += 8) {
        const u32 addr = op.a.k_major(first_row(op) + i, k);
        std::memcpy(e, cta_.smem(addr, 16, 16, op.loc), 16);
        for (u32 j = 0; j < 8; ++j) a[i][k + j] = to_float(dtype, e[j]);
      }
    }
  }
  for (u32 row = 0; row < static_cast<u32>(n); row += op.args.trans_b ? 8 : 1) {
    for (u32 k = 0; k < 16; k += op.args.trans_b ? 1 : 8) {
      const u32 addr = op.args.trans_b ? op.b.mn_major(row, k) : op.b.k_major(row, k);
      std::memcpy(e, cta_.smem(addr, 16, 16, op.loc), 16);
      for (u32 j = 0; j < 8; ++j) {
        (op.args.trans_b ? b[k][row + j] : b[k + j][row]) = to_float(dtype, e[j]);
      }
    }
  }
  for (int i = 0; i < 16; ++i) {
    std::fill(product[i], product[i] + n, 0.0f);
    for (int k = 0; k < 16; ++k) {
      const float x = a[i][k];
      for (int j = 0; j < n; ++j) product[i][j] += x * b[k][j];
    }
  }
  float* value = op.acc->value.data();
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < op.args.num_d; ++i, ++value) {
      const float sum = product[lane / 4 + i / 2 % 2 * 8][i / 4 * 8 + lane % 4 * 2 + i % 2];
      *value = op.args.accumulate ? *value + sum : sum;
    }
  }
  op.done = true;
  --waiting_;
}

// One instruction of one warp, the oldest that has not been executed.
void Wgmma::step(Random& random) {
  const std::size_t first = random.below(warps_.size());
  for (std::size_t i = 0; i < warps_.size(); ++i) {
    Warp& w = warps_[(first + i) % warps_.size()];
    const auto execute_first = [&](Group& group) {
      for (Operation& op : group) {
        if (op.done) continue;
        execute(op);
        return true;
      }
      return false;
    };
    for (Group& group : w.groups) {
      if (execute_first(group)) return;
    }
    if (execute_first(w.open)) return;
  }
}

}  // namespace flashjit::emu
