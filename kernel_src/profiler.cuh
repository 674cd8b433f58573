// Notes down when a warpgroup changes what it does, if KernelConfig::profile; else nothing: an
// empty object whose calls leave no instruction (tests/kernel_src/profile_test.cpp compares the
// machine code). Every call in a kernel is a line of its own that starts with `profiler.`.
#pragma once
#include "fwd_params.h"
#include "profile_plan.h"
#include "ptx/profile.h"

namespace flashjit {

template <KernelConfig kConfig, bool kOn = kConfig.profile>
class Profiler {
 public:
  __device__ __forceinline__ Profiler(const FwdParams&, int, bool) {}

  __device__ __forceinline__ void mark(Stage, int = 0) {}
  __device__ __forceinline__ void begin_tile(int, int, int) {}
  __device__ __forceinline__ void finish() {}
};

// One per thread. Only the thread of a track that was given `records` writes; the others go along,
// so that no branch is needed.
template <KernelConfig kConfig>
class Profiler<kConfig, true> {
 public:
  __device__ __forceinline__ Profiler(const FwdParams& params, int track, bool records)
      : params_(params), track_(track) {
    const ProfileHeader& header = *static_cast<const ProfileHeader*>(params.workspace);
    capacity_ = records && int(blockIdx.x) < header.num_ctas ? header.capacity : 0;
    if (capacity_ == 0) return;
    events_ = reinterpret_cast<ProfileEvent*>(
        static_cast<char*>(params.workspace) +
        profile_event_offset(kConfig, header, int(blockIdx.x), track));
    track_header().start_ns = ptx::global_timer();
    track_header().start_clock = ptx::sm_clock();
    track_header().sm = ptx::sm_id();
  }

  // From here on it does `stage`, for block n_block of keys.
  __device__ __forceinline__ void mark(Stage stage, int n_block = 0) { record(stage, n_block, 0); }
  __device__ __forceinline__ void begin_tile(int first_row, int head, int batch) {
    record(Stage::kTile, first_row, batch * params_.num_heads_q + head);
  }
  // Ends the last stage.
  __device__ __forceinline__ void finish() {
    if (capacity_ == 0) return;
    track_header().end_clock = ptx::sm_clock();
    track_header().end_ns = ptx::global_timer();
    track_header().num_events = u32(count_);
  }

 private:
  const FwdParams& params_;
  const int track_;
  ProfileEvent* events_ = nullptr;
  int capacity_ = 0;  // 0: this thread records nothing
  int count_ = 0;

  __device__ __forceinline__ ProfileTrack& track_header() const {
    return *reinterpret_cast<ProfileTrack*>(static_cast<char*>(params_.workspace) +
                                            profile_track_offset(kConfig, int(blockIdx.x), track_));
  }
  __device__ __forceinline__ void record(Stage stage, int index, int pair) {
    ptx::st_global_v4_if(
        count_ < capacity_, events_ + count_, {ptx::sm_clock(), u32(stage), u32(index), u32(pair)});
    ++count_;
  }
};

}  // namespace flashjit
