#include "register_pool.h"

#include <algorithm>

namespace flashjit::emu {

void RegisterPool::reset() {
  const int threads = 32 * cta_.scheduler.num_warps();
  const int share = std::min(kRegistersPerSm / threads / 8 * 8, 255);
  per_thread_.assign(static_cast<std::size_t>(cta_.scheduler.num_warps()), share);
  free_ = 0;
  waiters_.clear();
}

void RegisterPool::set(bool increase, int regs, const Loc& loc) {
  int& mine = per_thread_[static_cast<std::size_t>(cta_.warp())];
  collectives_.run_aligned(increase ? "setmaxnreg.inc" : "setmaxnreg.dec", loc, [&] {
    if (increase ? regs < mine : regs > mine) {
      cta_.fail("registers",
                std::string(increase ? "setmaxnreg.inc" : "setmaxnreg.dec") + " to " +
                    std::to_string(regs) + " from " + std::to_string(mine),
                loc);
    }
    if (increase) return;
    free_ += 32 * (mine - regs);
    mine = regs;
    for (int tid : waiters_) cta_.scheduler.wake(tid);
    waiters_.clear();
  });
  if (!increase) return;
  while (mine < regs && 32 * (regs - mine) > free_) {  // mine changes when another lane takes them
    waiters_.push_back(cta_.tid());
    cta_.scheduler.block("setmaxnreg.inc", static_cast<u32>(regs), loc);
  }
  if (mine == regs) return;
  free_ -= 32 * (regs - mine);
  mine = regs;
}

std::string RegisterPool::state() const {
  std::string text;
  if (!waiters_.empty()) {
    text = "    registers: " + std::to_string(free_) + " free, wanted by " +
           std::to_string(waiters_.size()) + " threads\n";
  }
  return text;
}

}  // namespace flashjit::emu
