// Vector clocks and the parties they are about. An *entity* is anything whose memory accesses come
// in one order: a thread, or a piece of asynchronous hardware. `clock[e] >= t` means: whatever
// entity e did up to its time t happened before.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "types.h"

namespace flashjit::emu {

inline constexpr int kMaxBarriers = 64;

// Numbers the entities of a CTA. Copies by cp.async come last: most kernels have none, and a clock
// grows only when it hears of one.
struct Entities {
  int num_warps = 0;

  int tma_load(int barrier) const { return barrier; }                    // per mbarrier
  int collective(int warp) const { return kMaxBarriers + warp; }         // ldmatrix
  int wgmma(int warp) const { return kMaxBarriers + num_warps + warp; }  //
  int bulk_store(int warp) const { return kMaxBarriers + 2 * num_warps + warp; }
  int thread(int tid) const { return kMaxBarriers + 3 * num_warps + tid; }  // generic accesses
  int cp_async(int tid) const { return thread(32 * num_warps) + tid; }
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
  void raise(int entity, u32 time) {
    const auto e = static_cast<std::size_t>(entity);
    if (e >= at_.size()) at_.resize(e + 1, 0);
    at_[e] = std::max(at_[e], time);
  }
  void tick(int entity) { ++at_[static_cast<std::size_t>(entity)]; }
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

 private:
  std::vector<u32> at_;
};

// What a thread knows to have happened, and the part of it that the async proxy (TMA, wgmma) knows.
struct Visibility {
  Clock generic, async;

  Visibility() = default;
  explicit Visibility(int size) : generic(size), async(size) {}
  void join(const Visibility& other) {
    generic.join(other.generic);
    async.join(other.async);
  }
  void meet(const Visibility& other) {
    generic.meet(other.generic);
    async.meet(other.async);
  }
  void raise(int entity, u32 time) {
    generic.raise(entity, time);
    async.raise(entity, time);
  }
};

}  // namespace flashjit::emu
