// setmaxnreg: the registers of each CTA as a pool. A launch with __launch_bounds__(n, 1) gives
// every thread an equal share of the SM's 65536; a decrease puts registers back, an increase waits
// for them.
#pragma once
#include <vector>

#include "collectives.h"

namespace flashjit::emu {

class RegisterPool {
 public:
  RegisterPool(Context& cta, Collectives& collectives) : cta_(cta), collectives_(collectives) {}
  void reset();
  void set(bool increase, int regs, const Loc& loc);
  std::string state() const;

 private:
  static constexpr int kRegistersPerSm = 65536;

  Context& cta_;
  Collectives& collectives_;
  std::vector<int> per_thread_;  // by warp
  struct Pool {
    int free = 0;
    std::vector<int> waiters;  // threads
  };
  std::vector<Pool> pools_;  // by CTA
};

}  // namespace flashjit::emu
