// What the parts of an emulated cluster share: its memory, its threads, the detector, and the words
// of reports. Every shared-memory address that device code passes goes through smem() first.
#pragma once
#include <memory>
#include <string>

#include "happens_before.h"
#include "options.h"
#include "scheduler.h"

namespace flashjit::emu {

// "mainloop.cuh:120"
std::string where(const Loc& loc);

class Context {
 public:
  // As on sm_90, where the system keeps the first KiB: address 0 is never valid.
  static constexpr u32 kSmemBase = 1024;

  // `num_threads` and `smem_bytes` are those of each CTA.
  Context(int num_ctas, int num_threads, u32 smem_bytes, const Options& options);
  ~Context();
  void reset();  // between clusters: shared memory is NaN and uninitialised again

  const Options options;
  Stats stats;
  Scheduler scheduler;
  HappensBefore order;

  // The bytes at a shared address, after a check of bounds and alignment; of the CTA of the thread
  // that runs, and of any CTA.
  u8* smem(u32 addr, u32 bytes, u32 align, const Loc& loc) {
    check_own(addr, loc);
    return cluster_smem(addr, bytes, align, loc);
  }
  u8* cluster_smem(u32 addr, u32 bytes, u32 align, const Loc& loc);
  // From the start of the CTA's shared memory, with the CTA's rank as in the address.
  static u32 offset_of(u32 addr) { return addr - kSmemBase; }
  static int rank_of(u32 addr) { return static_cast<int>(addr >> kRankShift); }
  static u32 with_rank(u32 addr, int rank) {
    return addr % (1u << kRankShift) | static_cast<u32>(rank) << kRankShift;
  }
  // Throws where a thread uses an address of another CTA.
  void check_own(u32 addr, const Loc& loc) {
    if (num_ctas_ > 1) check_rank(addr, loc);
  }
  // Throws where something reaches a CTA whose threads have all ended: its memory is another's.
  void check_runs(int cta, const std::string& what, const Loc& loc);
  // Throws unless [address, address + bytes) lies in a buffer of the launch.
  void check_global(const void* address, std::size_t bytes, const Loc& loc);

  int tid() { return scheduler.current().tid; }
  int warp() { return scheduler.current().warp; }
  int lane() { return scheduler.current().lane; }
  int cta() { return scheduler.current().cta; }
  int num_ctas() const { return num_ctas_; }
  int threads_of_cta() const { return 32 * warps_of_cta_; }
  int warps_of_cta() const { return warps_of_cta_; }
  int warp_in_cta(int warp) const { return warp % warps_of_cta_; }

  [[noreturn]] void fail(const std::string& kind, const std::string& message, const Loc& loc);
  std::string of_cta(int cta) const;          // " of CTA 1 of the cluster", "" if it is alone
  std::string thread_name(int tid) const;     // "thread 37 of warp 1 (producer), lane 5"
  std::string warp_name(int warp) const;      // "warp 1 (producer)"
  std::string smem_name(u32 offset) const;    // "smem+4192 (K+96)"
  std::string entity_name(int entity) const;  // with the barrier's state
  // Set by the mbarriers: "#3 at smem+96 (…), phase 1".
  std::function<std::string(int)> barrier_name;

 private:
  static constexpr u32 kRankShift = 24;

  u8* window(int cta) { return smem_ + static_cast<std::size_t>(cta) * window_bytes_; }
  void check_rank(u32 addr, const Loc& loc);
  [[noreturn]] void report(const Access& access, const Conflict& conflict);

  int num_ctas_, warps_of_cta_;
  u32 smem_bytes_;
  std::size_t window_bytes_;  // from one CTA's shared memory to the next one's
  std::unique_ptr<u8[]> arena_;
  u8* smem_ = nullptr;
};

}  // namespace flashjit::emu
