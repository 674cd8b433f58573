#include "register_pool.h"

#include <algorithm>

namespace flashjit::emu {

void RegisterPool::reset() {
  const int share = std::min(kRegistersPerSm / cta_.threads_of_cta() / 8 * 8, 255);
  per_thread_.assign(static_cast<std::size_t>(cta_.scheduler.num_warps()), share);
  pools_.assign(static_cast<std::size_t>(cta_.num_ctas()), Pool{});
}

void RegisterPool::set(bool increase, int regs, const Loc& loc) {
  Pool& pool = pools_[static_cast<std::size_t>(cta_.cta())];
  int& mine = per_thread_[static_cast<std::size_t>(cta_.warp())];
  collectives_.run_aligned(increase ? "setmaxnreg.inc" : "setmaxnreg.dec", loc, [&] {
    if (increase ? regs < mine : regs > mine) {
      cta_.fail("registers",
                std::string(increase ? "setmaxnreg.inc" : "setmaxnreg.dec") + " to " +
                    std::to_string(regs) + " from " + std::to_string(mine),
                loc);
    }
    if (increase) return;
    pool.free += 32 * (mine - regs);
    mine = regs;
    for (int tid : pool.waiters) cta_.scheduler.wake(tid);
    pool.waiters.clear();
  });
  if (!increase) return;
  while (mine < regs &&
         32 * (regs - mine) > pool.free) {  // mine changes when another lane takes them
    pool.waiters.push_back(cta_.tid());
    cta_.scheduler.block("setmaxnreg.inc", static_cast<u32>(regs), loc);
  }
  if (mine == regs) return;
  pool.free -= 32 * (regs - mine);
  mine = regs;
}

std::string RegisterPool::state() const {
  std::string text;
  for (std::size_t cta = 0; cta < pools_.size(); ++cta) {
    const Pool& pool = pools_[cta];
    if (pool.waiters.empty()) continue;
    text += "    registers" + cta_.of_cta(static_cast<int>(cta)) + ": " +
            std::to_string(pool.free) + " free, wanted by " + std::to_string(pool.waiters.size()) +
            " threads\n";
  }
  return text;
}

}  // namespace flashjit::emu
