// A device that is made up: its times are a function of the tiling, and it fails on request.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <span>
#include <vector>

#include "autotune/tuner.h"
#include "flashjit/error.h"

namespace flashjit {

inline constexpr Problem kProblem = {.dtype = Dtype::kBf16, .head_dim_qk = 128, .head_dim_v = 128};

inline DeviceInfo h100() {
  DeviceInfo device;
  device.name = "made up";
  device.arch = {9, 0, true};
  device.sm_count = 132;
  return device;
}

inline ProblemShape shape_of(int seqlen) {
  ProblemShape shape;
  shape.batch = 4;
  shape.num_heads_q = shape.num_heads_kv = 16;
  shape.seqlen_q = shape.seqlen_kv = seqlen;
  shape.softmax_scale = 0.1f;
  return shape;
}

inline std::vector<Candidate> sm80_space() {
  return search_space(Family::kSm80, kProblem, shape_of(4096), h100());
}

// Insists that what is timed was compiled and verified before.
class FakeTarget : public TuningTarget {
 public:
  std::string compile(const Tiling& tiling) override {
    const std::lock_guard lock(mutex_);
    compiled_.insert(key(tiling));
    ++compiles_;
    return tiling.block_n == bad_block_n_ ? "error: out of registers" : "";
  }
  std::string verify(const Tiling& tiling) override {
    on_verify_(tiling);
    verified_.insert(key(tiling));
    return tiling.num_stages == wrong_stages_ ? "max error 0.3, bound 0.01" : why_wrong_(tiling);
  }
  std::vector<Timing> time(std::span<const Tiling> tilings, int rounds) override {
    on_time_(tilings, rounds);
    std::vector<Timing> timings;
    const double drift = 1 + drift_ * static_cast<double>(times_++ % 2);
    const std::lock_guard lock(mutex_);
    for (const Tiling& tiling : tilings) {
      if (!compiled_.contains(key(tiling)) || !verified_.contains(key(tiling)))
        throw Error(ErrorCode::kInternal, "timed before it was compiled and verified");
      if (--calls_left_ < 0) throw Error(ErrorCode::kDriver, "CUDA_ERROR_DEVICE_LOST");
      std::normal_distribution<double> noise(0, noise_ / std::sqrt(rounds));
      const double time = true_time(tiling) * (1 + noise(random_)) * drift;
      const double first = timings.empty() ? time : timings.front().median_us;
      timings.push_back({time, noise_, time / first, rounds});
    }
    return timings;
  }
  double sm_clock_mhz() const override { return 1700; }

  double true_time(const Tiling& t) const {
    const auto is_one_of = [&t](const std::vector<Tiling>& tilings) {
      return std::find(tilings.begin(), tilings.end(), t) != tilings.end();
    };
    if (is_one_of(slower_)) return 1000;
    if (is_one_of(faster_)) return 1;
    return 100 + std::abs(t.block_n - best_block_n_) + 3.0 * std::abs(t.num_stages - 2) +
           5.0 * (t.num_warps != 8) + (t.rescale == Rescale::kEager ? 2 : 0) +
           std::abs(t.block_m - 128) / 16.0;
  }

  int best_block_n_ = 80, bad_block_n_ = 0, wrong_stages_ = 0, calls_left_ = 1 << 20;
  std::vector<Tiling> slower_ = {}, faster_ = {};  // than all others
  double noise_ = 0;
  double drift_ = 0;  // every other call of time() is slower by this share
  std::function<void(const Tiling&)> on_verify_ = [](const Tiling&) {};
  std::function<std::string(const Tiling&)> why_wrong_ = [](const Tiling&) { return ""; };
  std::function<void(std::span<const Tiling>, int rounds)> on_time_ = [](std::span<const Tiling>,
                                                                         int) {};
  int compiles_ = 0;

 private:
  using Key = std::array<int, 6>;
  static Key key(const Tiling& t) {
    return {t.block_m,
            t.block_n,
            t.num_warps,
            t.num_stages,
            static_cast<int>(t.rescale),
            static_cast<int>(t.family)};
  }
  std::mutex mutex_;
  std::set<Key> compiled_, verified_;
  std::mt19937 random_{7};
  int times_ = 0;
};

}  // namespace flashjit
