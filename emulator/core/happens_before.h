// The happens-before detector of a CTA: what every thread knows (vector clocks), what
// synchronisation adds to it, and the check of every shared-memory access against it. With
// detect_races off every function returns at once.
#pragma once
#include <functional>

#include "options.h"
#include "scheduler.h"
#include "shadow_memory.h"

namespace flashjit::emu {

class HappensBefore {
 public:
  using Report = std::function<void(const Access&, const Conflict&)>;

  HappensBefore(int num_warps, u32 smem_bytes, const Options& options, Report report);
  void reset();

  const Entities& entities() const { return entities_; }
  Visibility make_visibility() const { return Visibility(enabled_ ? entities_.base_count() : 0); }

  // ---- synchronisation
  // `tid` publishes what it knows into `into`; what it does from now on is later.
  void release(int tid, Visibility& into);
  void acquire(int tid, const Visibility& from);
  void sync_lanes(int warp, u32 mask);  // everybody learns what anybody knows
  void fence_proxy(int tid);            // generic accesses so far become known to the async proxy
  void learn(int tid, int entity, u32 time);         // an asynchronous operation has completed
  void warp_learns(int warp, int entity, u32 time);  // the same, for 32 threads at once
  void publish(Visibility& into, int entity, u32 time) const {
    if (enabled_) into.raise(entity, time);
  }
  u32 time_of(int tid) const { return enabled_ ? of(tid).generic[entities_.thread(tid)] : 0; }
  bool knows(int tid, int other_tid, u32 time) const {
    return !enabled_ || of(tid).generic[entities_.thread(other_tid)] >= time;
  }
  bool async_proxy_knows(int tid, int other_tid, u32 time) const {
    return !enabled_ || of(tid).async[entities_.thread(other_tid)] >= time;
  }

  // ---- accesses
  void read(int tid, u32 offset, u32 bytes, const Loc& loc);
  void write(int tid, u32 offset, u32 bytes, const Loc& loc);
  // By another entity on behalf of one thread (TMA, cp.async).
  void read_for(int tid, int entity, u32 time, bool async, u32 offset, u32 bytes, const Loc& loc);
  void write_for(int tid, int entity, u32 time, bool async, u32 offset, u32 bytes, const Loc& loc);
  // On behalf of a whole warp (ldmatrix, wgmma): every lane must know of the write.
  void read_for_warp(
      int warp, int entity, u32 time, bool async, u32 offset, u32 bytes, const Loc& loc);

 private:
  Visibility& of(int tid) { return known_[static_cast<std::size_t>(tid)]; }
  const Visibility& of(int tid) const { return known_[static_cast<std::size_t>(tid)]; }
  const Visibility& common_of(int warp);
  void check(const Access& access, const Visibility& known);
  void changed(int tid) { stale_[static_cast<std::size_t>(tid / 32)] = true; }

  bool enabled_, check_init_;
  Entities entities_;
  Report report_;
  ShadowMemory shadow_;
  std::vector<Visibility> known_;   // by thread
  std::vector<Visibility> common_;  // by warp: what all its lanes know
  std::vector<char> stale_;         // by warp: common_ must be computed again
};

}  // namespace flashjit::emu
