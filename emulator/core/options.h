// What a launch on the emulator takes and gives back.
#pragma once
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace flashjit::emu {

// A named part of shared memory; reports say "K + 96" instead of an address.
struct Region {
  std::string name;
  unsigned offset = 0, bytes = 0;
};

// A buffer in global memory that asynchronous copies may touch.
struct GlobalBuffer {
  const void* base = nullptr;
  std::size_t bytes = 0;
};

struct Options {
  std::uint64_t seed = 1;            // chooses the schedule; the same seed repeats it
  bool detect_races = true;          // happens-before on shared memory
  bool detect_uninitialised = true;  // needs detect_races
  bool poison = true;  // NaN in registers and shared memory owned by an asynchronous operation
  int workers = 1;     // OS threads over which CTAs are spread; 1 for exact replay
  std::uint64_t max_steps =
      400'000'000;                      // of one cluster; then the kernel is taken to loop for ever
  std::vector<std::string> warp_roles;  // by warp of a CTA, for reports; "" or missing: none
  std::vector<Region> smem_regions;     // for reports
  std::vector<GlobalBuffer> global_buffers;  // empty: not checked; set by launch_variant()
};

// A finding. `kind` is one word for programs (race, uninitialised, bounds, alignment, arithmetic,
// divergence, deadlock, barrier, mbarrier, cluster, wgmma, tma, registers, leak, steps, shuffle,
// launch), what() a report for people.
class Failure : public std::runtime_error {
 public:
  Failure(std::string kind, const std::string& message)
      : std::runtime_error(message), kind_(std::move(kind)) {}
  const std::string& kind() const { return kind_; }

 private:
  std::string kind_;
};

struct Stats {
  std::uint64_t switches = 0;  // of fibers
  std::uint64_t collectives = 0;
  std::uint64_t mma = 0, wgmma = 0, tma = 0, cp_async = 0;
  std::uint64_t bank_conflicts = 0;  // extra wavefronts of ldmatrix and stmatrix
  std::map<std::string, std::uint64_t> bank_conflicts_at;  // by "file:line"

  void add(const Stats& other);
};

}  // namespace flashjit::emu
