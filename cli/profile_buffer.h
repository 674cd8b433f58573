// The host's side of kernel_src/profile_plan.h: the buffer before a launch, and what stands in it
// after.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "kernel_src/profile_plan.h"

namespace flashjit::cli {

// Times are microseconds since the first CTA began.
struct StageSpan {
  Stage stage = Stage::kTile;
  int n_block = 0;
  double start_us = 0, end_us = 0;
};

struct TileSpan {
  int first_row = 0, head = 0, batch = 0;
  double start_us = 0, end_us = 0;
  std::vector<StageSpan> stages;  // in order, inside the tile's time
};

// A warpgroup of the sm90 kernels or a warp of the others.
struct ProfiledTrack {
  int cta = 0, sm = 0, index = 0;
  std::string role;  // "producer", "consumer 0", "warp 3"
  std::vector<TileSpan> tiles;
  std::vector<StageSpan> between;  // stages outside of tiles
  unsigned lost = 0;               // events that found no room
};

struct Profile {
  double clock_mhz = 0;  // of the SMs meanwhile, by the tracks' two clocks
  std::vector<ProfiledTrack> tracks;
};

// "load Q", "QKᵀ", "softmax", …
const char* to_string(Stage stage);

// A buffer that is ready for a launch.
std::vector<std::byte> empty_profile(const KernelConfig& config, const ProfileHeader& header);

// What a launch has left in such a buffer. Tracks of CTAs that did not run are left out. Throws
// Error(kInternal) where the buffer contradicts itself.
Profile read_profile(const KernelConfig& config,
                     std::span<const std::byte> buffer,
                     int num_heads_q);

}  // namespace flashjit::cli
