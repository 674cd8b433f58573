#include "happens_before.h"

namespace flashjit::emu {

HappensBefore::HappensBefore(
    int num_ctas, int num_warps, u32 smem_bytes, const Options& options, Report report)
    : enabled_(options.detect_races),
      check_init_(options.detect_uninitialised),
      entities_{num_ctas * num_warps},
      report_(std::move(report)),
      num_ctas_(static_cast<u32>(num_ctas)),
      warps_of_cta_(num_warps),
      shadow_(entities_, 0, num_warps),
      collective_times_(index(entities_.num_warps)),
      wgmma_times_(index(entities_.num_warps)) {
  for (int cta = 1; cta < num_ctas; ++cta) {
    more_shadows_.emplace_back(entities_, cta * num_warps, num_warps);
  }
  if (!enabled_) return;
  shadow_.resize(smem_bytes);
  for (ShadowMemory& shadow : more_shadows_) shadow.resize(smem_bytes);
  shared_.resize(index(32 * entities_.num_warps));
  own_.resize(index(32 * entities_.num_warps));
  common_.resize(index(entities_.num_warps));
}

void HappensBefore::reset() {
  if (!enabled_) return;
  shadow_.reset();
  for (ShadowMemory& shadow : more_shadows_) shadow.reset();
  recent_.fill({});
  const Snapshot nothing = std::make_shared<Visibility>(empty());
  for (int warp = 0; warp < entities_.num_warps; ++warp) {
    common_[index(warp)] = nothing;
    collective_times_[index(warp)] = wgmma_times_[index(warp)] = 0;
    for (int tid = 32 * warp; tid < 32 * warp + 32; ++tid) {
      shared_[index(tid)] = nothing;
      own_[index(tid)] = {.thread = entities_.thread(tid),
                          .cp_async = entities_.cp_async(tid),
                          .bulk_store = entities_.bulk_store(warp),
                          .collective = entities_.collective(warp),
                          .wgmma = entities_.wgmma(warp),
                          .time = 1};  // time 0 is before the kernel
    }
  }
}

// ---- synchronisation

void HappensBefore::set_shared(int tid, Snapshot snapshot) {
  if (shared_[index(tid)] == snapshot) return;
  shared_[index(tid)] = std::move(snapshot);
  common_[index(tid / 32)] = nullptr;
}

void HappensBefore::release(int tid, Gathering& into) {
  if (!enabled_) return;
  if (into.last != shared_[index(tid)]) {
    into.last = shared_[index(tid)];
    into.sum.join(*into.last);
  }
  ++into.releases;
  Private& own = own_[index(tid)];
  own.raise_in(into.sum);
  into.sum.raise(own.collective, collective_times_[index(tid / 32)]);
  into.sum.raise(own.wgmma, wgmma_times_[index(tid / 32)]);
  ++own.time;
}

Snapshot HappensBefore::snapshot(const Gathering& from) const {
  if (!enabled_) return nullptr;
  auto result = std::make_shared<Visibility>(from.sum);
  if (from.releases >= 32 * entities_.num_warps) {
    result->everybody = result->generic.least(entities_.thread(0), 32 * entities_.num_warps);
  }
  return result;
}

template <class Make>
Snapshot HappensBefore::combine(const Snapshot& a, const Snapshot& b, Make&& make) {
  for (const Combination& known : recent_) {
    if (known.a == a && known.b == b) return known.result;
  }
  Combination& entry = recent_[next_recent_++ % recent_.size()];
  entry = {a, b, make()};
  return entry.result;
}

void HappensBefore::acquire(int tid, const Snapshot& from) {
  if (!enabled_ || shared_[index(tid)] == from) return;
  const Snapshot mine = shared_[index(tid)];
  set_shared(tid, combine(mine, from, [&] {
               Visibility sum = *from;
               sum.join(*mine);
               return sum == *from ? from : std::make_shared<const Visibility>(std::move(sum));
             }));
}

void HappensBefore::sync_lanes(int warp, u32 mask) {
  if (!enabled_) return;
  Gathering all = gather();
  for (int lane = 0; lane < 32; ++lane) {
    if (mask >> lane & 1) release(32 * warp + lane, all);
  }
  const Snapshot result = snapshot(all);
  for (int lane = 0; lane < 32; ++lane) {
    if (mask >> lane & 1) set_shared(32 * warp + lane, result);
  }
}

void HappensBefore::fence_proxy(int tid) {
  if (!enabled_) return;
  const Snapshot mine = shared_[index(tid)];
  set_shared(tid, combine(mine, nullptr, [&] {
               Visibility fenced = *mine;
               fenced.async.join(fenced.generic);
               return fenced == *mine ? mine
                                      : std::make_shared<const Visibility>(std::move(fenced));
             }));
  Private& own = own_[index(tid)];
  own.fenced_copied = own.copied;
  own.fenced_time = own.time++;  // what follows is not fenced
}

void HappensBefore::copy_completed(int tid, u32 time) {
  if (enabled_) own_[index(tid)].copied = time;
}

void HappensBefore::store_completed(int tid, u32 time) {
  if (enabled_) own_[index(tid)].stored = time;
}

void HappensBefore::load_completed(Gathering& into, int barrier, u32 time) const {
  if (enabled_) into.sum.raise(entities_.tma_load(barrier), time);
}

// Its own time is not over: that comes with its next release.
std::shared_ptr<const Clock> HappensBefore::passed_before(int tid) const {
  if (!enabled_) return nullptr;
  Clock passed = shared_[index(tid)]->generic;
  passed.join(shared_[index(tid)]->passed);
  passed.raise(entities_.thread(tid), own_[index(tid)].time - 1);
  return std::make_shared<const Clock>(std::move(passed));
}

// ---- what is known

Knowledge HappensBefore::knowledge_of(int tid) const {
  const auto warp = index(tid / 32);
  return {
      shared_[index(tid)].get(), &own_[index(tid)], collective_times_[warp], wgmma_times_[warp]};
}

// While all lanes have the same snapshot, that is what all of them know: of a lane's own doings the
// others know only what it says.
Knowledge HappensBefore::knowledge_of_warp(int warp) {
  Snapshot& common = common_[index(warp)];
  if (!common) {
    const int first = 32 * warp;
    common = shared_[index(first)];
    bool same = true;
    for (int tid = first + 1; tid < first + 32; ++tid) same &= shared_[index(tid)] == common;
    if (!same) {
      Visibility met;
      for (int tid = first; tid < first + 32; ++tid) {
        Visibility all = *shared_[index(tid)];
        own_[index(tid)].raise_in(all);
        if (tid == first) met = all;
        met.meet(all);
      }
      common = std::make_shared<Visibility>(std::move(met));
    }
  }
  // Only writes are checked against this, and neither ever writes.
  return {common.get()};
}

bool HappensBefore::knows(int tid, int other_tid, u32 time) const {
  return !enabled_ || knowledge_of(tid).generic(entities_.thread(other_tid), time);
}

bool HappensBefore::comes_after(int tid, int other_tid, u32 time) const {
  return knows(tid, other_tid, time) ||
         shared_[index(tid)]->passed[entities_.thread(other_tid)] >= time;
}

bool HappensBefore::knows_load(int tid, int barrier, u32 time) const {
  return !enabled_ || knowledge_of(tid).generic(entities_.tma_load(barrier), time);
}

bool HappensBefore::async_proxy_knows(int tid, int other_tid, u32 time) const {
  return !enabled_ || knowledge_of(tid).async(entities_.thread(other_tid), time);
}

// ---- accesses

void HappensBefore::read(int tid, u32 offset, u32 bytes, const Loc& loc) {
  if (!enabled_) return;
  const u32 time = own_[index(tid)].time;
  const Clock& known = shared_[index(tid)]->generic;
  if (shadow(offset).join_reads(tid, offset, bytes, time, loc, known)) return;
  check_read(tid, offset, bytes, loc);
}

// Not inline, so that what most reads do needs no stack.
[[gnu::noinline]] void HappensBefore::check_read(int tid, u32 offset, u32 bytes, const Loc& loc) {
  const int first = entities_.thread(tid & ~31);
  check({offset, bytes, first, tid & 31, time_of(tid), false, false, loc}, knowledge_of(tid));
}

void HappensBefore::write(int tid, u32 offset, u32 bytes, const Loc& loc) {
  if (!enabled_) return;
  const int first = entities_.thread(tid & ~31);
  check({offset, bytes, first, tid & 31, time_of(tid), false, true, loc}, knowledge_of(tid));
}

void HappensBefore::read_for(
    int tid, int entity, u32 time, bool async, u32 offset, u32 bytes, const Loc& loc) {
  if (enabled_) check({offset, bytes, entity, 0, time, async, false, loc}, knowledge_of(tid));
}

void HappensBefore::write_for(
    int tid, int entity, u32 time, bool async, u32 offset, u32 bytes, const Loc& loc) {
  if (enabled_) check({offset, bytes, entity, 0, time, async, true, loc}, knowledge_of(tid));
}

void HappensBefore::collective_read(int warp, u32 time, u32 offset, u32 bytes, const Loc& loc) {
  if (!enabled_) return;
  const int first = first_warp(offset);
  check_of_warp(
      warp, {offset, bytes, entities_.collective(first), warp - first, time, false, false, loc});
}

void HappensBefore::wgmma_read(int warp, u32 time, u32 offset, u32 bytes, const Loc& loc) {
  if (!enabled_) return;
  const int first = first_warp(offset);
  check_of_warp(warp,
                {offset, bytes, entities_.wgmma(first), warp - first, time, true, false, loc});
}

void HappensBefore::check_of_warp(int warp, const Access& read) {
  const Knowledge known = knowledge_of_warp(warp);
  if (!shadow(read.offset).join_reads(read, *known.shared)) check(read, known);
}

void HappensBefore::check(const Access& access, const Knowledge& known) {
  ShadowMemory& memory = shadow(access.offset);
  const auto conflict =
      access.is_write ? memory.write(access, known) : memory.read(access, known, check_init_);
  if (conflict) report_(access, *conflict);
}

}  // namespace flashjit::emu
