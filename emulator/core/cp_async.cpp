#include "cp_async.h"

#include <algorithm>
#include <cstring>

namespace flashjit::emu {

void CpAsync::reset() {
  queues_.assign(cta_.scheduler.threads().size(), Queue{});
  pending_.clear();
}

void CpAsync::copy(u32 dst, const void* src, int bytes, int src_bytes, const Loc& loc) {
  ++cta_.stats.cp_async;
  const int tid = cta_.tid();
  Queue& queue = queues_[static_cast<std::size_t>(tid)];
  const auto n = static_cast<u32>(bytes);
  u8* to = cta_.smem(dst, n, n, loc);
  if (src_bytes < 0 || src_bytes > bytes) cta_.fail("bounds", "cp.async: bad src_bytes", loc);
  if (reinterpret_cast<std::uintptr_t>(src) % n) {
    cta_.fail("alignment", "cp.async: the global address is not aligned", loc);
  }
  cta_.check_global(src, static_cast<std::size_t>(src_bytes), loc);
  cta_.order.write_for(tid,
                       cta_.order.entities().cp_async(tid),
                       queue.committed + 1,
                       false,
                       Context::offset_of(dst),
                       n,
                       loc);
  if (cta_.options.poison) std::memset(to, 0xFF, n);
  if (queue.copies.empty()) pending_.push_back(tid);
  queue.copies.push_back({dst, src, bytes, src_bytes, loc});
  ++queue.open;
  queue.last_loc = loc;
}

void CpAsync::commit() {
  Queue& queue = queues_[static_cast<std::size_t>(cta_.tid())];
  queue.groups.push_back(queue.open);
  queue.open = 0;
  ++queue.committed;
}

void CpAsync::wait(int keep, const Loc&) {
  cta_.scheduler.preemption_point();
  const int tid = cta_.tid();
  Queue& queue = queues_[static_cast<std::size_t>(tid)];
  std::size_t left = queue.open;
  const std::size_t kept = std::min(static_cast<std::size_t>(keep), queue.groups.size());
  for (std::size_t i = 0; i < kept; ++i) left += queue.groups[queue.groups.size() - 1 - i];
  if (!queue.copies.empty()) {
    while (queue.copies.size() > left) land_one(queue);
    forget_if_empty(tid);
  }
  while (queue.groups.size() > kept) queue.groups.pop_front();
  const u32 done = queue.committed - static_cast<u32>(queue.groups.size());
  if (done > 0) cta_.order.copy_completed(tid, done);
}

void CpAsync::step(Random& random) {
  const int tid = pending_[random.below(pending_.size())];
  land_one(queues_[static_cast<std::size_t>(tid)]);
  forget_if_empty(tid);
}

void CpAsync::land_one(Queue& queue) {
  const Copy copy = queue.copies.front();
  queue.copies.pop_front();
  const auto bytes = static_cast<std::size_t>(copy.bytes);
  u8* to = cta_.smem(copy.dst, static_cast<u32>(bytes), static_cast<u32>(bytes), copy.loc);
  std::memset(to, 0, bytes);
  if (copy.src_bytes) std::memcpy(to, copy.src, static_cast<std::size_t>(copy.src_bytes));
}

void CpAsync::forget_if_empty(int tid) {
  if (queues_[static_cast<std::size_t>(tid)].copies.empty()) std::erase(pending_, tid);
}

// Also of copies that happened to land: it is the wait that makes them safe.
void CpAsync::check_finished() {
  for (std::size_t tid = 0; tid < queues_.size(); ++tid) {
    const Queue& queue = queues_[tid];
    std::size_t left = queue.open;
    for (const std::size_t copies : queue.groups) left += copies;
    if (left == 0) continue;
    cta_.fail("leak",
              cta_.thread_name(static_cast<int>(tid)) + " ends with cp.async in flight",
              queue.last_loc);
  }
}

}  // namespace flashjit::emu
