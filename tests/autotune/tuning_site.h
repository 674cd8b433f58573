// A machine with devices that are made up, and a directory for the records of runs on them.
#pragma once

#include <spdlog/sinks/null_sink.h>

#include <atomic>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "autotune/fake_target.h"
#include "autotune/tuning_run.h"
#include "support/temp_dir.h"
#include "tuning_record_files.h"

namespace flashjit {

// The sm80 space is small: an Ampere device.
inline DeviceInfo a100(const std::string& name = "made up A100") {
  DeviceInfo device;
  device.name = name;
  device.arch = {8, 0, false};
  device.sm_count = 108;
  device.driver_version = 13000;
  return device;
}

class FakeTuningDevice : public TuningDevice {
 public:
  explicit FakeTuningDevice(const DeviceInfo& info) : info_(info) {}

  const DeviceInfo& info() const override { return info_; }
  FamilyDigests digests() const override { return {"a", "b", digest_, "d"}; }
  std::string policy() const override { return "made up"; }
  std::unique_ptr<TuningTarget> open(const TuningProblem& problem) override {
    opened_.push_back(problem.shape.seqlen_q);
    auto target = std::make_unique<FakeTarget>();
    setup_(*target, problem);
    return target;
  }
  void compile_ahead(const KernelConfig&) override { ++ahead_; }

  std::vector<int> opened_;
  std::atomic<int> ahead_ = 0;
  std::string digest_ = "c";
  std::function<void(FakeTarget&, const TuningProblem&)> setup_ = [](FakeTarget&,
                                                                     const TuningProblem&) {};

 private:
  DeviceInfo info_;
};

inline std::vector<TuningProblem> problems(std::initializer_list<int> seqlens) {
  std::vector<TuningProblem> result;
  for (const int seqlen : seqlens) result.push_back({kProblem, shape_of(seqlen)});
  return result;
}

// One device, its records in a directory.
struct Site {
  test::TempDir directory;
  std::vector<std::unique_ptr<TuningDevice>> devices;
  FakeTuningDevice& device;
  RunOptions options;

  Site() : device(add(a100())) {
    options.directory = directory / "tuning";
    options.compile_threads = 2;
    options.tuner.seconds = 60;
  }
  FakeTuningDevice& add(const DeviceInfo& info) {
    devices.push_back(std::make_unique<FakeTuningDevice>(info));
    return static_cast<FakeTuningDevice&>(*devices.back());
  }
  std::vector<TuningRecord> records() const {
    spdlog::logger quiet("quiet", std::make_shared<spdlog::sinks::null_sink_mt>());
    return read_records(directory / "tuning", quiet);
  }
  std::vector<TuningOutcome> run(const std::vector<TuningProblem>& list) {
    return run_tuning(devices, list, records(), options);
  }
};

}  // namespace flashjit
