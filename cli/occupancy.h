// How many CTAs of a kernel fit on one SM, by this project's own arithmetic, so that it can be told
// without a GPU. Limits: CUDA C++ Programming Guide, "Compute Capabilities", table "Technical
// Specifications per Compute Capability"; allocation units: the tables of NVIDIA's occupancy
// calculator (registers by warp in units of 256, shared memory in units of 128 bytes, 1 KiB of it
// kept by the system for each CTA).
#pragma once

#include <string>

#include "flashjit/runtime.h"

namespace flashjit::cli {

// What one SM has.
struct SmLimits {
  int max_threads = 0;
  int max_ctas = 0;
  int registers = 65536;
  int smem_bytes = 0;           // for all CTAs together
  int smem_reserved_bytes = 0;  // of each CTA, on top of what it asks for
};
SmLimits sm_limits(const Arch& arch);

struct Occupancy {
  int ctas_per_sm = 0;
  int warps_per_sm = 0;
  int max_warps_per_sm = 0;
  std::string limited_by;  // "registers", "shared memory", "threads", "CTAs"
};
Occupancy occupancy(const ResourceUse& use, const Arch& arch);

}  // namespace flashjit::cli
