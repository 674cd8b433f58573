// What the CTAs of a launch have stored to global memory by TMA. Nothing orders CTAs, so two that
// store the same bytes are a race, whatever they store; one CTA may store again what it stored.
#pragma once
#include <mutex>
#include <optional>
#include <unordered_map>

#include "emu/device.h"

namespace flashjit::emu {

class GlobalStores {
 public:
  struct Store {
    unsigned cta = 0;  // its number in the grid
    Loc loc;
  };

  // Enters 16 bytes, the unit of tensor maps. Returns another CTA's store of them. Thread-safe.
  std::optional<Store> add(const u8* chunk, const Store& store) {
    const std::lock_guard lock(mutex_);
    const auto [at, is_new] = stores_.try_emplace(chunk, store);
    if (is_new || at->second.cta == store.cta) return std::nullopt;
    return at->second;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<const u8*, Store> stores_;
};

}  // namespace flashjit::emu
