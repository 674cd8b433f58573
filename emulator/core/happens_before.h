// The happens-before detector of a cluster: what every thread knows, what synchronisation adds to
// it, and the check of every shared-memory access against it. With detect_races off every function
// returns at once. An offset counts from the start of its CTA's shared memory and has the CTA's
// rank in bits 24 and up, as addresses do.
#pragma once
#include <array>
#include <functional>

#include "options.h"
#include "scheduler.h"
#include "shadow_memory.h"

namespace flashjit::emu {

// What has arrived at a barrier so far.
struct Gathering {
  Visibility sum;
  Snapshot last;  // the snapshot that was joined last: most threads come with the same
  int releases = 0;
};

class HappensBefore {
 public:
  using Report = std::function<void(const Access&, const Conflict&)>;

  // `num_warps` and `smem_bytes` are those of each CTA.
  HappensBefore(int num_ctas, int num_warps, u32 smem_bytes, const Options& options, Report report);
  void reset();

  const Entities& entities() const { return entities_; }

  // ---- synchronisation
  Gathering gather() const { return {empty(), nullptr, 0}; }
  // `tid` publishes what it knows; what it does from now on is later.
  void release(int tid, Gathering& into);
  Snapshot snapshot(const Gathering& from) const;
  void acquire(int tid, const Snapshot& from);
  void sync_lanes(int warp, u32 mask);  // everybody learns what anybody knows
  void fence_proxy(int tid);            // generic accesses so far become known to the async proxy
  // An asynchronous operation has completed, and who knows of it.
  void copy_completed(int tid, u32 time);   // cp.async, its thread
  void store_completed(int tid, u32 time);  // TMA store, its thread
  void collective_completed(int warp, u32 time) { collective_times_[index(warp)] = time; }
  void wgmma_completed(int warp, u32 time) { wgmma_times_[index(warp)] = time; }
  void load_completed(Gathering& into, int barrier, u32 time) const;  // TMA load, an mbarrier
  // What has happened before `tid` issues a load for other CTAs, null without a detector: whoever
  // sees its bytes comes after that, though it need not see what was written.
  std::shared_ptr<const Clock> passed_before(int tid) const;

  u32 time_of(int tid) const { return enabled_ ? own_[index(tid)].time : 0; }
  bool knows(int tid, int other_tid, u32 time) const;
  bool comes_after(int tid, int other_tid, u32 time) const;  // visible or not
  bool knows_load(int tid, int barrier, u32 time) const;
  bool async_proxy_knows(int tid, int other_tid, u32 time) const;

  // ---- accesses
  void prefetch(u32 offset) const {  // one comes soon, unless the offset is bad
    if (offset >> 24 < num_ctas_) shadow(offset).prefetch(offset);
  }
  void read(int tid, u32 offset, u32 bytes, const Loc& loc);
  void write(int tid, u32 offset, u32 bytes, const Loc& loc);
  // By another entity on behalf of one thread (TMA, cp.async).
  void read_for(int tid, int entity, u32 time, bool async, u32 offset, u32 bytes, const Loc& loc);
  void write_for(int tid, int entity, u32 time, bool async, u32 offset, u32 bytes, const Loc& loc);
  // On behalf of a whole warp: every lane must know of the write.
  void collective_read(int warp, u32 time, u32 offset, u32 bytes, const Loc& loc);
  void wgmma_read(int warp, u32 time, u32 offset, u32 bytes, const Loc& loc);

 private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  // Every access asks: for the first CTA, most often the only one, without a look-up.
  ShadowMemory& shadow(u32 offset) {
    return offset >> 24 == 0 ? shadow_ : more_shadows_[(offset >> 24) - 1];
  }
  const ShadowMemory& shadow(u32 offset) const {
    return const_cast<HappensBefore*>(this)->shadow(offset);
  }
  Visibility empty() const { return Visibility(enabled_ ? entities_.base_count() : 0); }
  Knowledge knowledge_of(int tid) const;
  Knowledge knowledge_of_warp(int warp);
  // A snapshot made of one or two others; remembered, because 32 lanes ask for the same.
  template <class Make>
  Snapshot combine(const Snapshot& a, const Snapshot& b, Make&& make);
  void set_shared(int tid, Snapshot snapshot);
  int first_warp(u32 offset) const { return static_cast<int>(offset >> 24) * warps_of_cta_; }
  void check(const Access& access, const Knowledge& known);
  void check_of_warp(int warp, const Access& read);
  void check_read(int tid, u32 offset, u32 bytes, const Loc& loc);

  bool enabled_, check_init_;
  Entities entities_;
  Report report_;
  u32 num_ctas_;
  int warps_of_cta_;
  ShadowMemory shadow_;                              // of CTA 0
  std::vector<ShadowMemory> more_shadows_;           // of CTAs 1 …
  std::vector<Snapshot> shared_;                     // by thread
  std::vector<Private> own_;                         // by thread
  std::vector<u32> collective_times_, wgmma_times_;  // by warp
  std::vector<Snapshot> common_;  // by warp: what all its lanes know; null: to be computed
  struct Combination {
    Snapshot a, b, result;
  };
  std::array<Combination, 8> recent_;
  std::size_t next_recent_ = 0;
};

}  // namespace flashjit::emu
