// Vector clocks and the parties they are about. An *entity* is anything whose memory accesses come
// in one order: a thread, or a piece of asynchronous hardware. `clock[e] >= t` means: whatever
// entity e did up to its time t happened before.
#pragma once
#include <algorithm>
#include <bit>
#include <memory>
#include <string>
#include <vector>

#include "types.h"

namespace flashjit::emu {

inline constexpr int kMaxBarriers = 64;

// Numbers the entities of a cluster. Copies by cp.async come last: most kernels have none, and a
// clock grows only when it hears of one.
struct Entities {
  int num_warps = 0;

  int tma_load(int barrier) const { return barrier; }                    // per mbarrier
  int collective(int warp) const { return kMaxBarriers + warp; }         // ldmatrix
  int wgmma(int warp) const { return kMaxBarriers + num_warps + warp; }  //
  int bulk_store(int warp) const { return kMaxBarriers + 2 * num_warps + warp; }
  int thread(int tid) const { return kMaxBarriers + 3 * num_warps + tid; }  // generic accesses
  int cp_async(int tid) const { return thread(32 * num_warps) + tid; }
  bool is_thread(int entity) const { return entity >= thread(0) && entity < base_count(); }
  int base_count() const { return thread(32 * num_warps); }

  std::string name(int entity) const;
};

class Clock {
 public:
  Clock() = default;
  explicit Clock(int size) : at_(static_cast<std::size_t>(size), 0) {}

  u32 operator[](int entity) const {
    const auto e = static_cast<std::size_t>(entity);
    return e < at_.size() ? at_[e] : 0;
  }
  // Of `entity` and the 31 behind it; false also where not all of them are known.
  bool all_reached(int entity, u32 time) const {
    const auto e = static_cast<std::size_t>(entity);
    if (e + 32 > at_.size()) return false;
    u32 missing = 0;
    for (std::size_t i = 0; i < 32; ++i) missing |= at_[e + i] < time;
    return missing == 0;
  }
  u32 least(int entity, int count) const {
    const auto first = at_.begin() + entity;
    return *std::min_element(first, first + count);
  }
  void raise(int entity, u32 time) {
    const auto e = static_cast<std::size_t>(entity);
    if (e >= at_.size()) at_.resize(e + 1, 0);
    at_[e] = std::max(at_[e], time);
  }
  void join(const Clock& other) {
    if (other.at_.size() > at_.size()) at_.resize(other.at_.size(), 0);
    const u32* from = other.at_.data();
    u32* to = at_.data();
    for (std::size_t i = 0, n = other.at_.size(); i < n; ++i) to[i] = std::max(to[i], from[i]);
  }
  // Keeps what both know.
  void meet(const Clock& other) {
    if (other.at_.size() < at_.size()) at_.resize(other.at_.size());
    const u32* from = other.at_.data();
    u32* to = at_.data();
    for (std::size_t i = 0, n = at_.size(); i < n; ++i) to[i] = std::min(to[i], from[i]);
  }
  bool operator==(const Clock&) const = default;

 private:
  std::vector<u32> at_;
};

// What is known to have happened, and the part of it that the async proxy (TMA, wgmma) knows.
struct Visibility {
  Clock generic, async;
  Clock passed;       // has happened too, but is not visible; empty where CTAs are alone
  u32 everybody = 0;  // generic[t] is at least this for every thread t

  Visibility() = default;
  explicit Visibility(int size) : generic(size), async(size) {}
  void join(const Visibility& other) {
    generic.join(other.generic);
    async.join(other.async);
    passed.join(other.passed);
    everybody = std::max(everybody, other.everybody);
  }
  void meet(const Visibility& other) {
    generic.meet(other.generic);
    async.meet(other.async);
    passed.meet(other.passed);
    everybody = std::min(everybody, other.everybody);
  }
  void raise(int entity, u32 time) {
    generic.raise(entity, time);
    async.raise(entity, time);
  }
  bool operator==(const Visibility& other) const {
    return generic == other.generic && async == other.async && passed == other.passed;
  }
};

// Visibilities are shared: threads that met at a barrier know the same and point to one object.
using Snapshot = std::shared_ptr<const Visibility>;

// What a thread knows beyond its snapshot: the doings of its own entities and of its warp's.
struct Private {
  int thread = -1, cp_async = -1, bulk_store = -1, collective = -1, wgmma = -1;  // entities
  u32 time = 0, fenced_time = 0;  // the thread's own; fenced: known to the async proxy
  u32 copied = 0, fenced_copied = 0, stored = 0;  // times of cp_async and bulk_store

  void raise_in(Visibility& sum) const {
    sum.generic.raise(thread, time);
    sum.async.raise(thread, fenced_time);
    if (copied > 0) {
      sum.generic.raise(cp_async, copied);
      sum.async.raise(cp_async, fenced_copied);
    }
    if (stored > 0) sum.raise(bulk_store, stored);
  }
};

// What an access is checked against.
struct Knowledge {
  const Visibility* shared;
  const Private* own = nullptr;
  u32 collective_time = 0, wgmma_time = 0;  // of the own warp

  bool generic(int entity, u32 time) const {
    if (shared->generic[entity] >= time) return true;
    if (!own) return false;
    return (entity == own->thread && own->time >= time) ||
           (entity == own->cp_async && own->copied >= time) ||
           (entity == own->bulk_store && own->stored >= time) ||
           (entity == own->collective && collective_time >= time) ||
           (entity == own->wgmma && wgmma_time >= time);
  }
  // Those of `lanes` whose generic(first + lane, time) is false.
  u32 unknown(int first, u32 lanes, u32 time) const {
    if (lanes == 0 || shared->generic.all_reached(first, time)) return 0;
    u32 missing = 0;
    for (u32 left = lanes; left != 0; left &= left - 1) {
      if (!generic(first + std::countr_zero(left), time)) missing |= left & -left;
    }
    return missing;
  }
  bool async(int entity, u32 time) const {
    if (shared->async[entity] >= time) return true;
    return own && ((entity == own->thread && own->fenced_time >= time) ||
                   (entity == own->cp_async && own->fenced_copied >= time));
  }
};

}  // namespace flashjit::emu
