// wgmma: each warp of a warpgroup multiplies its 16 rows, in order, at random moments between the
// issue and the wait for its group. Accumulators in flight are poisoned registers; register
// operands are compared with what they were when the instruction was issued.
#pragma once
#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "collectives.h"
#include "tensor_map.h"

namespace flashjit::emu {

// A shared-memory matrix descriptor (PTX ISA 9.7.15.5.1) and where its elements lie.
struct MatrixDescriptor {
  u32 start = 0, leading = 0, stride = 0;  // bytes
  Swizzle swizzle = Swizzle::kNone;

  // Shared address of eight neighbouring elements; row is the M or N index. K-major: k a multiple
  // of
  // 8. MN-major: row a multiple of 8.
  u32 k_major(u32 row, u32 k) const;
  u32 mn_major(u32 row, u32 k) const;
};

class Wgmma final : public AsyncUnit {
 public:
  Wgmma(Context& cta, Collectives& collectives) : cta_(cta), collectives_(collectives) {
    cta.scheduler.add_unit(this);
  }
  void reset();

  void issue(const WgmmaArgs& args, const Loc& loc);
  void fence(const Loc& loc);
  void commit(const Loc& loc);
  void wait(int keep, const Loc& loc);
  void check_finished();  // at the end of the CTA

  bool has_work() const override { return waiting_ > 0; }
  void step(Random& random) override;

 private:
  // Accumulators of a warp while an instruction that writes them is in flight.
  struct Accumulators {
    std::array<float*, 32> registers{};
    int n = 0;                 // per lane
    int in_flight = 0;         // instructions
    std::vector<float> value;  // [32][n]
  };
  struct Operation {
    Accumulators* acc = nullptr;
    WgmmaArgs args{};
    int warp = 0;
    MatrixDescriptor a, b;
    std::array<const u32*, 32> a_registers{};
    std::array<std::array<u32, 4>, 32> a_values{};
    bool done = false;
    Loc loc;
  };
  using Group = std::vector<Operation>;
  struct Warp {
    Warp() = default;
    Warp(const Warp&) = delete;
    Warp(Warp&&) = default;

    std::deque<Group> groups;
    Group open;
    u32 retired = 0;  // groups: the time of the warp's wgmma entity
    bool fenced = false;
    std::vector<std::unique_ptr<Accumulators>> in_flight;
    u64 issued = 0;  // instructions, to compare the warps of a warpgroup
  };
  // What the first warp of a warpgroup to issue its n-th instruction passed.
  struct Issued {
    u64 desc_a, desc_b;
    Loc loc;
    int warps = 1;
  };
  struct Warpgroup {
    std::deque<Issued> log;
    u64 first = 0;  // number of log.front()
  };

  Warp& warp() { return warps_[static_cast<std::size_t>(cta_.warp())]; }
  Warpgroup& warpgroup();
  u32 first_row(const Operation& op) const {
    return static_cast<u32>(cta_.warp_in_cta(op.warp)) % 4 * 16;
  }
  void check_uniform(const std::array<WgmmaArgs*, 32>& all, const Loc& loc);
  MatrixDescriptor decode(u64 desc, const Loc& loc);
  void record_reads(const Operation& op);
  void take_accumulators(Operation& op, const std::array<WgmmaArgs*, 32>& all);
  void execute(Operation& op);
  void retire(Operation& op, const Loc& loc);
  void give_back(Accumulators& acc, const Loc& loc);

  Context& cta_;
  Collectives& collectives_;
  std::vector<Warp> warps_;
  std::vector<Warpgroup> warpgroups_;
  std::size_t waiting_ = 0;  // instructions that have not been executed
};

}  // namespace flashjit::emu
