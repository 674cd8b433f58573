// Tensors for the problems that the commands run, in device memory or, for the CPU backend, in host
// memory.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autotune/gpu_resources.h"
#include "cli/attention_problem.h"
#include "settings.h"

namespace flashjit::cli {

// A device with its context current in this thread, for as long as the object lives.
class GpuSession {
 public:
  // Throws Error(kNoDriver) without a driver or a device.
  GpuSession(const Settings& settings, int ordinal)
      : device_(std::make_shared<const DriverLibrary>(settings.libcuda), ordinal),
        current_(device_) {}

  const Device& device() const { return device_; }

 private:
  Device device_;
  CurrentContext current_;
};

// The session, or null and the reason why there is none.
std::unique_ptr<GpuSession> try_gpu(const Settings& settings, int ordinal, std::string& why_not);

// Memory where a backend wants it: on `device`, or on the host when that is null.
class Memory {
 public:
  Memory() = default;
  Memory(const Device* device, std::size_t bytes);

  void* data();
  std::size_t bytes() const { return gpu_ ? gpu_->bytes() : host_.size(); }
  void write(const void* source);
  // A copy in host memory.
  std::vector<std::byte> read() const;

 private:
  std::optional<GpuBuffer> gpu_;
  std::vector<std::byte> host_;
};

// Q, K, V, O and the workspace of one problem.
class Tensors {
 public:
  // Standard normal Q, K and V; the same for the same seed. O is filled with NaN.
  Tensors(const Device* device, const AttentionProblem& problem, unsigned seed);
  // Dense copies of what stands at q, k and v.
  Tensors(const Device* device,
          const AttentionProblem& problem,
          const void* q,
          const void* k,
          const void* v);

  const AttentionProblem& problem() const { return problem_; }
  AttentionArgs args();
  std::vector<std::byte> output() const { return o_.read(); }
  // Makes room for what `runtime` wants for this problem.
  void provide_workspace(const Device* device, Runtime& runtime);
  std::size_t bytes() const {
    return q_.bytes() + k_.bytes() + v_.bytes() + o_.bytes() + workspace_.bytes();
  }

 private:
  AttentionProblem problem_;
  Memory q_, k_, v_, o_, workspace_;
};

// `count` elements of `dtype`, standard normal.
std::vector<std::byte> random_elements(Dtype dtype, std::size_t count, unsigned seed);

}  // namespace flashjit::cli
