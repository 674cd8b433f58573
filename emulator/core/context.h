// What the parts of an emulated CTA share: its memory, its threads, the detector, and the words of
// reports. Every shared-memory address that device code passes goes through smem() first.
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

  Context(int num_threads, u32 smem_bytes, const Options& options);
  ~Context();
  void reset();  // between CTAs: shared memory is NaN and uninitialised again

  const Options options;
  Stats stats;
  Scheduler scheduler;
  HappensBefore order;

  // The bytes at a shared address, after a check of bounds and alignment.
  u8* smem(u32 addr, u32 bytes, u32 align, const Loc& loc);
  static u32 offset_of(u32 addr) { return addr - kSmemBase; }
  u32 smem_bytes() const { return smem_bytes_; }
  // Throws unless [address, address + bytes) lies in a buffer of the launch.
  void check_global(const void* address, std::size_t bytes, const Loc& loc);

  int tid() { return scheduler.current().tid; }
  int warp() { return scheduler.current().warp; }
  int lane() { return scheduler.current().lane; }

  [[noreturn]] void fail(const std::string& kind, const std::string& message, const Loc& loc);
  std::string thread_name(int tid) const;     // "thread 37 (producer, warp 1, lane 5)"
  std::string warp_name(int warp) const;      // "warp 1 (producer)"
  std::string smem_name(u32 offset) const;    // "smem+4192 (K+96)"
  std::string entity_name(int entity) const;  // with the barrier's state
  // Set by the mbarriers: "#3 at smem+96 (…), phase 1".
  std::function<std::string(int)> barrier_name;

 private:
  [[noreturn]] void report(const Access& access, const Conflict& conflict);

  u32 smem_bytes_;
  std::unique_ptr<u8[]> arena_;
  u8* smem_ = nullptr;
};

}  // namespace flashjit::emu
