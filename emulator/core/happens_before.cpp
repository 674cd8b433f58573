#include "happens_before.h"

namespace flashjit::emu {

HappensBefore::HappensBefore(int num_warps, u32 smem_bytes, const Options& options, Report report)
    : enabled_(options.detect_races),
      check_init_(options.detect_uninitialised),
      entities_{num_warps},
      report_(std::move(report)) {
  if (!enabled_) return;
  shadow_.resize(smem_bytes);
  known_.resize(static_cast<std::size_t>(32 * num_warps));
  common_.resize(static_cast<std::size_t>(num_warps));
  stale_.resize(static_cast<std::size_t>(num_warps));
}

void HappensBefore::reset() {
  if (!enabled_) return;
  shadow_.reset();
  for (int tid = 0; tid < static_cast<int>(known_.size()); ++tid) {
    of(tid) = make_visibility();
    of(tid).generic.raise(entities_.thread(tid), 1);  // time 0 is before the kernel
    changed(tid);
  }
}

void HappensBefore::release(int tid, Visibility& into) {
  if (!enabled_) return;
  into.join(of(tid));
  of(tid).generic.tick(entities_.thread(tid));
}

void HappensBefore::acquire(int tid, const Visibility& from) {
  if (!enabled_) return;
  of(tid).join(from);
  changed(tid);
}

void HappensBefore::sync_lanes(int warp, u32 mask) {
  if (!enabled_) return;
  Visibility all = make_visibility();
  for (int lane = 0; lane < 32; ++lane) {
    if (mask >> lane & 1) all.join(of(32 * warp + lane));
  }
  for (int lane = 0; lane < 32; ++lane) {
    if (!(mask >> lane & 1)) continue;
    const int tid = 32 * warp + lane;
    of(tid) = all;
    of(tid).generic.tick(entities_.thread(tid));
    changed(tid);
  }
}

void HappensBefore::fence_proxy(int tid) {
  if (!enabled_) return;
  of(tid).async.join(of(tid).generic);
  changed(tid);
}

void HappensBefore::learn(int tid, int entity, u32 time) {
  if (!enabled_) return;
  of(tid).raise(entity, time);
  changed(tid);
}

void HappensBefore::warp_learns(int warp, int entity, u32 time) {
  if (!enabled_) return;
  for (int tid = 32 * warp; tid < 32 * warp + 32; ++tid) of(tid).raise(entity, time);
  common_[static_cast<std::size_t>(warp)].raise(entity, time);  // still what all lanes know
}

const Visibility& HappensBefore::common_of(int warp) {
  const auto w = static_cast<std::size_t>(warp);
  if (stale_[w]) {
    common_[w] = of(32 * warp);
    for (int lane = 1; lane < 32; ++lane) common_[w].meet(of(32 * warp + lane));
    stale_[w] = false;
  }
  return common_[w];
}

void HappensBefore::read(int tid, u32 offset, u32 bytes, const Loc& loc) {
  if (!enabled_) return;
  const int first_of_warp = entities_.thread(tid & ~31);
  check({offset, bytes, first_of_warp, tid & 31, time_of(tid), false, false, loc}, of(tid));
}

void HappensBefore::write(int tid, u32 offset, u32 bytes, const Loc& loc) {
  if (!enabled_) return;
  const int first_of_warp = entities_.thread(tid & ~31);
  check({offset, bytes, first_of_warp, tid & 31, time_of(tid), false, true, loc}, of(tid));
}

void HappensBefore::read_for(
    int tid, int entity, u32 time, bool async, u32 offset, u32 bytes, const Loc& loc) {
  if (enabled_) check({offset, bytes, entity, 0, time, async, false, loc}, of(tid));
}

void HappensBefore::write_for(
    int tid, int entity, u32 time, bool async, u32 offset, u32 bytes, const Loc& loc) {
  if (enabled_) check({offset, bytes, entity, 0, time, async, true, loc}, of(tid));
}

void HappensBefore::read_for_warp(
    int warp, int entity, u32 time, bool async, u32 offset, u32 bytes, const Loc& loc) {
  if (enabled_) check({offset, bytes, entity, 0, time, async, false, loc}, common_of(warp));
}

void HappensBefore::check(const Access& access, const Visibility& known) {
  const auto conflict =
      access.is_write ? shadow_.write(access, known) : shadow_.read(access, known, check_init_);
  if (conflict) report_(access, *conflict);
}

}  // namespace flashjit::emu
