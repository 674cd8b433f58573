// ldmatrix, stmatrix and mma of a warp, with a count of their bank conflicts.
#pragma once
#include "collectives.h"

namespace flashjit::emu {

class Matrix {
 public:
  Matrix(Context& cta, Collectives& collectives) : cta_(cta), collectives_(collectives) { reset(); }
  void reset() { times_.assign(static_cast<std::size_t>(cta_.scheduler.num_warps()), 1); }

  void load(u32* r, int count, bool trans, u32 addr, const Loc& loc);
  void store(u32 addr, const u32* r, int count, bool trans, const Loc& loc);
  void mma(Dtype dtype, float* const (&d)[4], const u32* a, const u32 (&b)[2], const Loc& loc);

 private:
  void count_bank_conflicts(const u32* addrs, int count, const Loc& loc);

  Context& cta_;
  Collectives& collectives_;
  std::vector<u32> times_;  // of the entity Entities::collective(warp)
};

// Rows 0 … 15, columns 0 … 15 of an m16k16 operand A from the registers of one lane.
void unpack_a(Dtype dtype, const u32* a, int lane, float (&matrix)[16][16]);

}  // namespace flashjit::emu
