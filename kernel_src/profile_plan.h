// The buffer that a profiled variant (KernelConfig::profile) writes: who records, what an event is,
// and where it stands. Kernels write it through profiler.cuh, cli/profile_buffer prepares and reads
// it.
//
//   ProfileHeader | ProfileTrack [num_ctas][tracks] | ProfileEvent [num_ctas][tracks][capacity]
//
// It takes the place of FwdParams::workspace; the caller provides it. All of it is zero before the
// launch but for num_ctas and capacity.
#pragma once
#include "smem_plan.h"

namespace flashjit {

// What a warpgroup (sm90) or warp (simt, sm80) does from an event's time on, until the next one.
enum class Stage : int {
  kTile = 0,  // it has taken a tile; ProfileEvent::index is its first row
  kLoadQ,     // consumers wait for Q, the producer waits for a free buffer and starts the copy
  kLoadK,
  kLoadV,
  kScores,    // Q·Kᵀ; with Tiling::overlap P·V of the block before runs beside it
  kSoftmax,   // mask, maximum, exponentials, sums
  kOutput,    // P·V; with Tiling::overlap what is left of it after the softmax
  kEpilogue,  // O normalised and stored
  kCount
};

struct ProfileHeader {
  int tile_counter[2] = {};  // Schedule::kDynamic: see TileCounter
  int num_ctas = 0;          // the first so many CTAs record
  int capacity = 0;          // events of a track
};

struct ProfileTrack {
  u64 start_ns, end_ns;  // %globaltimer: one time for all SMs
  u32 start_clock, end_clock;
  u32 sm;
  u32 num_events;  // may exceed the capacity: the later ones were not recorded
};

struct alignas(16) ProfileEvent {
  u32 clock;  // of the SM, modulo 2^32
  u32 stage;
  u32 index;  // kTile: first query row; else the block of keys
  u32 pair;   // kTile: batch · num_heads_q + head
};

// sm90: the producer, then the consumer warpgroups; else the warps.
constexpr int num_profile_tracks(const KernelConfig& config) {
  const Tiling& t = config.tiling;
  return t.family == Family::kSm90 ? 1 + t.num_warps / 4 : t.num_warps;
}

constexpr i64 profile_track_offset(const KernelConfig& config, int cta, int track) {
  return i64(sizeof(ProfileHeader)) +
         (i64(cta) * num_profile_tracks(config) + track) * i64(sizeof(ProfileTrack));
}
constexpr i64 profile_event_offset(const KernelConfig& config,
                                   const ProfileHeader& header,
                                   int cta,
                                   int track) {
  return profile_track_offset(config, header.num_ctas, 0) +
         (i64(cta) * num_profile_tracks(config) + track) * header.capacity *
             i64(sizeof(ProfileEvent));
}
constexpr i64 profile_bytes(const KernelConfig& config, const ProfileHeader& header) {
  return profile_event_offset(config, header, header.num_ctas, 0);
}

}  // namespace flashjit
