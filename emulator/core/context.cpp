#include "context.h"

#include <cstring>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace flashjit::emu {
namespace {

constexpr u32 kAlignment = 1024, kRedZone = 4096;

}  // namespace

std::string where(const Loc& loc) {
  const std::string file = loc.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(loc.line());
}

Context::Context(int num_threads, u32 smem_bytes, const Options& opts)
    : options(opts),
      scheduler(num_threads, stats),
      order(num_threads / 32,
            smem_bytes,
            options,
            [this](const Access& access, const Conflict& conflict) { report(access, conflict); }),
      smem_bytes_(smem_bytes),
      arena_(new u8[smem_bytes + 2 * kRedZone + kAlignment]) {
  const auto start = reinterpret_cast<std::uintptr_t>(arena_.get()) + kRedZone;
  smem_ = arena_.get() + kRedZone + (kAlignment - start % kAlignment) % kAlignment;
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(smem_ - kRedZone, kRedZone);
  __asan_poison_memory_region(smem_ + (smem_bytes + 7) / 8 * 8, kRedZone);
#endif
}

Context::~Context() {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(arena_.get(), smem_bytes_ + 2 * kRedZone + kAlignment);
#endif
}

void Context::reset() {
  std::memset(smem_, 0xFF, smem_bytes_);  // NaN in bf16, fp16 and fp32
  order.reset();
}

u8* Context::smem(u32 addr, u32 bytes, u32 align, const Loc& loc) {
  if (addr < kSmemBase || u64{addr} - kSmemBase + bytes > smem_bytes_) {
    fail("bounds",
         std::to_string(bytes) + " bytes at smem" +
             (addr < kSmemBase ? std::to_string(i64{addr} - kSmemBase)
                               : "+" + std::to_string(offset_of(addr))) +
             " are outside of the CTA's " + std::to_string(smem_bytes_) + " bytes",
         loc);
  }
  if (addr % align) {
    fail("alignment",
         smem_name(offset_of(addr)) + " is not aligned to " + std::to_string(align) + " bytes",
         loc);
  }
  return smem_ + offset_of(addr);
}

void Context::check_global(const void* address, std::size_t bytes, const Loc& loc) {
  if (options.global_buffers.empty() || bytes == 0) return;
  const auto* from = static_cast<const u8*>(address);
  for (const GlobalBuffer& buffer : options.global_buffers) {
    const auto* base = static_cast<const u8*>(buffer.base);
    if (from >= base && from + bytes <= base + buffer.bytes) return;
  }
  fail("bounds", "global memory outside of every buffer of the launch", loc);
}

void Context::fail(const std::string& kind, const std::string& message, const Loc& loc) {
  std::string text = message + "\n  at " + where(loc);
  if (scheduler.in_thread()) text += ", " + thread_name(tid());
  throw Failure(kind, text);
}

std::string Context::warp_name(int warp) const {
  const auto w = static_cast<std::size_t>(warp);
  const bool named = w < options.warp_roles.size() && !options.warp_roles[w].empty();
  return "warp " + std::to_string(warp) + (named ? " (" + options.warp_roles[w] + ")" : "");
}

std::string Context::thread_name(int tid) const {
  return "thread " + std::to_string(tid) + " of " + warp_name(tid / 32) + ", lane " +
         std::to_string(tid % 32);
}

std::string Context::smem_name(u32 offset) const {
  std::string name = "smem+" + std::to_string(offset);
  for (const Region& region : options.smem_regions) {
    if (offset < region.offset || offset >= region.offset + region.bytes) continue;
    name += " (" + region.name + "+" + std::to_string(offset - region.offset) + ")";
  }
  return name;
}

std::string Context::entity_name(int entity) const {
  const Entities& entities = order.entities();
  if (entity < entities.collective(0)) {
    return "a TMA load on mbarrier " + barrier_name(entity);
  }
  if (entity < entities.thread(0)) {
    const int warp = (entity - entities.collective(0)) % entities.num_warps;
    const std::string name = entities.name(entity);
    return name.substr(0, name.find(" of ")) + " of " + warp_name(warp);
  }
  if (entity < entities.base_count()) return thread_name(entity - entities.thread(0));
  return "cp.async of " + thread_name(entity - entities.cp_async(0));
}

void Context::report(const Access& access, const Conflict& conflict) {
  const std::string who = entity_name(access.entity + access.lane);
  if (conflict.kind == Conflict::kUninitialised) {
    fail("uninitialised",
         smem_name(conflict.offset) + " was never written; read by " + who,
         access.loc);
  }
  std::string text = smem_name(conflict.offset) + " is " + (access.is_write ? "written" : "read") +
                     " by " + who + " without order after the " +
                     (conflict.other_wrote ? "write" : "read") + " by " +
                     entity_name(conflict.other_entity) + " at " + where(conflict.other_loc);
  if (conflict.kind == Conflict::kMissingProxyFence) {
    text += ": the order is there, but no fence.proxy.async makes the write known to TMA and wgmma";
  }
  fail("race", text, access.loc);
}

}  // namespace flashjit::emu
