// What a thread remembers between calls, found without a lock: small tables of fixed size.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "mixer.h"

namespace flashjit {

// The calling thread's table of `Slot`, one for each kind of slot. Two entries may share a place,
// so that two tensors of one call can stay, whatever their hashes are. On the heap from the
// thread's first use to its end: thread-local arrays of this size would come out of every thread's
// stack, used or not.
template <typename Slot, int kBits>
class ThreadMemo {
 public:
  // The entry of this hash that `is_it` accepts, or null.
  template <typename Predicate>
  static const Slot* find(const Mixer& hash, const Predicate& is_it) {
    const Place& place = place_of(hash);
    if (is_it(place.newer)) return &place.newer;
    return is_it(place.older) ? &place.older : nullptr;
  }
  // In the place of the older of two; until the next two of this hash.
  static const Slot& put(const Mixer& hash, const Slot& slot) {
    Place& place = place_of(hash);
    place.older = place.newer;
    return place.newer = slot;
  }

 private:
  struct Place {
    Slot newer, older;
  };
  static Place& place_of(const Mixer& hash) {
    thread_local auto places = std::make_unique<std::array<Place, std::size_t{1} << kBits>>();
    return (*places)[hash.top_bits(kBits)];
  }
};

// A number that no other call of this process gets; never 0. What a thread remembers for an object
// carries the object's number, so that what it remembers of a dead one matches nothing.
std::uint64_t next_memo_id();

}  // namespace flashjit
