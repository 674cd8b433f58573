// Calls on a device that counts, with tuning records in a cache directory of their own and a tuner
// that only answers.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "flashjit/flashjit.h"
#include "online_tuner.h"
#include "support/captured_log.h"
#include "support/environment.h"
#include "support/fake_executor.h"
#include "support/temp_dir.h"
#include "tuned_tilings.h"
#include "tuning_record_files.h"

namespace flashjit::test {

alignas(256) inline std::byte g_memory[4][64];

inline AttentionArgs some_args(std::int64_t seqlen = 1000) {
  AttentionArgs args;
  args.q = bshd(g_memory[0], Dtype::kBf16, 2, seqlen, 4, 64);
  args.k = bshd(g_memory[1], Dtype::kBf16, 2, seqlen, 4, 64);
  args.v = bshd(g_memory[2], Dtype::kBf16, 2, seqlen, 4, 64);
  args.o = bshd(g_memory[3], Dtype::kBf16, 2, seqlen, 4, 64);
  return args;
}

// Legal on the fake device, and not what the heuristic chooses.
inline constexpr Tiling kTuned = {
    .family = Family::kSm80, .block_m = 64, .block_n = 32, .num_stages = 3, .num_warps = 4};

inline TuningRecord record_for(const DeviceInfo& device,
                               const Tiling& winner,
                               std::int64_t seqlen = 1000) {
  const ValidatedProblem call = validate(some_args(seqlen), false);
  TuningRecord record;
  record.device = device_model(device);
  record.arch = device.arch;
  record.sources_digest =
      family_digests(KernelSources::embedded())[static_cast<std::size_t>(winner.family)];
  record.problem = call.problem;
  record.shape = call.shape;
  record.bucket = shape_bucket(call.shape);
  record.winner = winner;
  record.winner_us = 10;
  record.default_us = 11;
  record.date = "2026-01-02T03:04:05Z";
  return record;
}

// Counts what it is asked and answers kTuned.
class ScopedTuner {
 public:
  ScopedTuner() : before_(online_tuner()) {
    register_online_tuner([this](const OnlineTuningJob& job) {
      ++jobs;
      seconds = job.seconds;
      on_job();
      TuningRecord record = record_for(job.executor.device(), kTuned, job.shape.seqlen_q);
      record.complete = complete;
      return record;
    });
  }
  ~ScopedTuner() { register_online_tuner(before_); }

  std::atomic<int> jobs = 0;
  double seconds = 0;
  bool complete = true;  // what it answers
  std::function<void()> on_job = [] {};

 private:
  OnlineTuner before_;
};

struct Fixture {
  TempDir cache;
  ScopedEnvironment environment;
  CapturedLog log;
  std::shared_ptr<FakeDevice> device = install_fake_device();

  Fixture() {
    environment.set("FLASHJIT_TUNE", std::nullopt).set("FLASHJIT_BUNDLES", std::nullopt);
    log.logger->set_level(spdlog::level::debug);
  }
  Options options(std::optional<TuneMode> mode = std::nullopt) const {
    Options options;
    options.backend = Backend::kEmulated;
    options.cache_dir = cache.path();
    options.logger = log.logger;
    options.tune = mode;
    return options;
  }
  void write(const TuningRecord& record) const {
    write_record(cache.path() / kTuningDirectory, record);
  }
};

}  // namespace flashjit::test
