#include "context.h"

#include <cstring>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace flashjit::emu {
namespace {

constexpr std::size_t kAlignment = 1024, kRedZone = 4096;

std::size_t rounded_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

std::string where(const Loc& loc) {
  const std::string file = loc.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(loc.line());
}

// Red zones lie before the first CTA's shared memory and behind everyone's.
Context::Context(int num_ctas, int num_threads, u32 smem_bytes, const Options& opts)
    : options(opts),
      scheduler(num_ctas, num_threads, stats),
      order(num_ctas,
            num_threads / 32,
            smem_bytes,
            options,
            [this](const Access& access, const Conflict& conflict) { report(access, conflict); }),
      num_ctas_(num_ctas),
      warps_of_cta_(num_threads / 32),
      smem_bytes_(smem_bytes),
      window_bytes_(rounded_up(smem_bytes, kAlignment) + kRedZone),
      arena_(new u8[kRedZone + kAlignment + static_cast<std::size_t>(num_ctas) * window_bytes_]) {
  const auto start = reinterpret_cast<std::uintptr_t>(arena_.get()) + kRedZone;
  smem_ = arena_.get() + kRedZone + (kAlignment - start % kAlignment) % kAlignment;
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(smem_ - kRedZone, kRedZone);
  for (int cta = 0; cta < num_ctas; ++cta) {
    const std::size_t used = rounded_up(smem_bytes, 8);
    __asan_poison_memory_region(window(cta) + used, window_bytes_ - used);
  }
#endif
}

Context::~Context() {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(
      arena_.get(), kRedZone + kAlignment + static_cast<std::size_t>(num_ctas_) * window_bytes_);
#endif
}

void Context::reset() {
  for (int cta = 0; cta < num_ctas_; ++cta) {
    std::memset(window(cta), 0xFF, smem_bytes_);  // NaN in bf16, fp16 and fp32
  }
  order.reset();
}

u8* Context::cluster_smem(u32 addr, u32 bytes, u32 align, const Loc& loc) {
  const int rank = rank_of(addr);
  const u32 in_cta = with_rank(addr, 0);
  if (in_cta < kSmemBase || in_cta - kSmemBase + bytes > smem_bytes_ || rank >= num_ctas_) {
    const i64 offset = i64{rank < num_ctas_ ? in_cta : addr} - kSmemBase;
    fail("bounds",
         std::to_string(bytes) + " bytes at smem" + (offset < 0 ? "" : "+") +
             std::to_string(offset) + " are outside of the CTA's " + std::to_string(smem_bytes_) +
             " bytes",
         loc);
  }
  if (addr & (align - 1)) {  // a power of two
    fail("alignment",
         smem_name(offset_of(addr)) + " is not aligned to " + std::to_string(align) + " bytes",
         loc);
  }
  return window(rank) + offset_of(in_cta);
}

// Asynchronous hardware has been checked when it was given the address.
void Context::check_rank(u32 addr, const Loc& loc) {
  if (!scheduler.in_thread() || rank_of(addr) == cta() || rank_of(addr) >= num_ctas_) return;
  fail("cluster",
       smem_name(offset_of(addr)) +
           " is used as if it were the thread's own; another CTA takes only multicast loads, "
           "st_async and mbarrier_arrive_cluster",
       loc);
}

void Context::check_runs(int cta, const std::string& what, const Loc& loc) {
  if (!scheduler.has_ended(cta)) return;
  fail("leak", what + ": CTA " + std::to_string(cta) + " of the cluster has ended", loc);
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
  const auto w = static_cast<std::size_t>(warp_in_cta(warp));
  const bool named = w < options.warp_roles.size() && !options.warp_roles[w].empty();
  return "warp " + std::to_string(w) + (named ? " (" + options.warp_roles[w] + ")" : "") +
         of_cta(warp / warps_of_cta_);
}

std::string Context::of_cta(int cta) const {
  return num_ctas_ > 1 ? " of CTA " + std::to_string(cta) + " of the cluster" : "";
}

std::string Context::thread_name(int tid) const {
  return "thread " + std::to_string(tid % threads_of_cta()) + " of " + warp_name(tid / 32) +
         ", lane " + std::to_string(tid % 32);
}

std::string Context::smem_name(u32 offset) const {
  const int cta = rank_of(offset);
  offset = with_rank(offset, 0);
  std::string name = "smem+" + std::to_string(offset);
  for (const Region& region : options.smem_regions) {
    if (offset < region.offset || offset >= region.offset + region.bytes) continue;
    name += " (" + region.name + "+" + std::to_string(offset - region.offset) + ")";
  }
  return name + of_cta(cta);
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
