#include "wgmma.h"

#include <cstring>

namespace flashjit::emu {
namespace {

constexpr u32 kPoison = 0x7fc0dead;  // a NaN that no kernel computes

u32 bits_of(float x) { return std::bit_cast<u32>(x); }

}  // namespace

void Wgmma::reset() {
  warps_.clear();
  warps_.resize(static_cast<std::size_t>(cta_.scheduler.num_warps()));
  const auto of_cta = static_cast<std::size_t>(cta_.warps_of_cta() + 3) / 4;
  warpgroups_.assign(static_cast<std::size_t>(cta_.num_ctas()) * of_cta, Warpgroup{});
  waiting_ = 0;
}

// ---- the instructions, in the order of a GEMM

void Wgmma::fence(const Loc& loc) {
  collectives_.run_aligned("wgmma.fence", loc, [&] { warp().fenced = true; });
}

void Wgmma::issue(const WgmmaArgs& args, const Loc& loc) {
  WgmmaArgs mine = args;
  collectives_.run(~0u, "wgmma", true, mine, loc, [&](std::array<WgmmaArgs*, 32>& all) {
    ++cta_.stats.wgmma;
    check_uniform(all, loc);
    if (!warp().fenced) {
      cta_.fail("wgmma", "no wgmma.fence since the last commit_group", loc);
    }
    Operation op;
    op.args = *all[0];
    op.warp = cta_.warp();
    op.loc = loc;
    op.b = decode(op.args.desc_b, loc);
    if (op.args.a) {
      for (std::size_t lane = 0; lane < 32; ++lane) {
        op.a_registers[lane] = all[lane]->a;
        std::memcpy(op.a_values[lane].data(), all[lane]->a, 16);
      }
    } else {
      op.a = decode(op.args.desc_a, loc);
    }
    record_reads(op);
    take_accumulators(op, all);
    warp().open.push_back(op);
    ++waiting_;
  });
}

void Wgmma::commit(const Loc& loc) {
  collectives_.run_aligned("wgmma.commit_group", loc, [&] {
    Warp& w = warp();
    w.groups.push_back(std::move(w.open));
    w.open.clear();
    w.fenced = false;
  });
}

void Wgmma::wait(int keep, const Loc& loc) {
  cta_.scheduler.preemption_point();
  collectives_.run_aligned("wgmma.wait_group", loc, [&] {
    Warp& w = warp();
    while (w.groups.size() > static_cast<std::size_t>(keep)) {
      for (Operation& op : w.groups.front()) retire(op, loc);
      w.groups.pop_front();
      ++w.retired;
    }
    const int index = cta_.warp();
    cta_.order.wgmma_completed(index, w.retired);
  });
}

// ---- checks

// All lanes of the warp, and all warps of the warpgroup, must issue the same instruction.
void Wgmma::check_uniform(const std::array<WgmmaArgs*, 32>& all, const Loc& loc) {
  const WgmmaArgs& first = *all[0];
  for (const WgmmaArgs* args : all) {
    if (args->desc_a != first.desc_a || args->desc_b != first.desc_b ||
        args->accumulate != first.accumulate) {
      cta_.fail("wgmma", "a descriptor or scale-d differs between lanes", loc);
    }
  }
  Warpgroup& group = warpgroup();
  const u64 number = warp().issued++;
  if (number == group.first + group.log.size()) {
    group.log.push_back({first.desc_a, first.desc_b, loc});
    return;
  }
  Issued& issued = group.log[number - group.first];
  if (issued.desc_a != first.desc_a || issued.desc_b != first.desc_b ||
      issued.loc.line() != loc.line()) {
    cta_.fail("divergence",
              "warps of one warpgroup issue different wgmma; the other is at " + where(issued.loc),
              loc);
  }
  ++issued.warps;
  while (!group.log.empty() && group.log.front().warps == 4) {
    group.log.pop_front();
    ++group.first;
  }
}

Wgmma::Warpgroup& Wgmma::warpgroup() {
  const int of_cta = (cta_.warps_of_cta() + 3) / 4;
  const int index = cta_.cta() * of_cta + cta_.warp_in_cta(cta_.warp()) / 4;
  return warpgroups_[static_cast<std::size_t>(index)];
}

// The start address has too few bits for a rank: it is the own CTA's.
MatrixDescriptor Wgmma::decode(u64 desc, const Loc& loc) {
  if (desc >> 49 & 7) cta_.fail("wgmma", "descriptor: a base offset is not modelled", loc);
  constexpr Swizzle kModes[] = {Swizzle::kNone, Swizzle::k128B, Swizzle::k64B, Swizzle::k32B};
  return {Context::with_rank(static_cast<u32>(desc & 0x3FFF) << 4, cta_.cta()),
          static_cast<u32>(desc >> 16 & 0x3FFF) << 4,
          static_cast<u32>(desc >> 32 & 0x3FFF) << 4,
          kModes[desc >> 62]};
}

// ---- accumulators

void Wgmma::take_accumulators(Operation& op, const std::array<WgmmaArgs*, 32>& all) {
  Warp& w = warp();
  Accumulators* acc = nullptr;
  for (auto& a : w.in_flight) {
    if (a->registers[0] == all[0]->d) acc = a.get();
  }
  if (!acc) {
    w.in_flight.push_back(std::make_unique<Accumulators>());
    acc = w.in_flight.back().get();
    acc->n = op.args.num_d;
    acc->value.resize(32 * static_cast<std::size_t>(acc->n));
    for (std::size_t lane = 0; lane < 32; ++lane) acc->registers[lane] = all[lane]->d;
  }
  if (acc->n != op.args.num_d) {
    cta_.fail("wgmma", "accumulators in flight are used with another shape", op.loc);
  }
  float* value = acc->value.data();
  for (std::size_t lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < acc->n; ++i, ++value) {
      float& r = acc->registers[lane][i];
      if (acc->in_flight == 0) {
        *value = r;
        if (cta_.options.poison) r = std::bit_cast<float>(kPoison);
      } else if (cta_.options.poison && bits_of(r) != kPoison) {
        cta_.fail("wgmma", "an accumulator was written while in flight", op.loc);
      }
    }
  }
  ++acc->in_flight;
  op.acc = acc;
}

void Wgmma::retire(Operation& op, const Loc& loc) {
  if (!op.done) execute(op);
  if (op.args.a) {
    for (std::size_t lane = 0; lane < 32; ++lane) {
      if (std::memcmp(op.a_registers[lane], op.a_values[lane].data(), 16) != 0) {
        cta_.fail(
            "wgmma",
            "register operand A of the wgmma at " + where(op.loc) + " was changed while in flight",
            loc);
      }
    }
  }
  if (--op.acc->in_flight == 0) give_back(*op.acc, loc);
}

void Wgmma::give_back(Accumulators& acc, const Loc& loc) {
  const float* value = acc.value.data();
  for (float* registers : acc.registers) {
    for (int i = 0; i < acc.n; ++i, ++value) {
      if (cta_.options.poison && bits_of(registers[i]) != kPoison) {
        cta_.fail("wgmma", "an accumulator was written while in flight", loc);
      }
      registers[i] = *value;
    }
  }
  std::erase_if(warp().in_flight, [&](const auto& a) { return a.get() == &acc; });
}

void Wgmma::check_finished() {
  for (std::size_t i = 0; i < warps_.size(); ++i) {
    const Warp& w = warps_[i];
    if (w.groups.empty() && w.open.empty()) continue;
    const Operation& op = w.groups.empty() ? w.open.front() : w.groups.front().front();
    cta_.fail("leak", cta_.warp_name(static_cast<int>(i)) + " ends with wgmma in flight", op.loc);
  }
  for (const Warpgroup& group : warpgroups_) {
    if (group.log.empty()) continue;
    cta_.fail("divergence", "not every warp of a warpgroup issued this wgmma", group.log[0].loc);
  }
}

}  // namespace flashjit::emu
