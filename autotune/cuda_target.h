// A TuningTarget on a real GPU: compiles through the runtime's registry (so every candidate lands
// in the cache), checks samples of the output against the default tiling's and times with
// autotune/measure.
#pragma once

#include <map>
#include <memory>

#include "autotune/gpu_resources.h"
#include "autotune/measure.h"
#include "autotune/output_check.h"
#include "autotune/tuner.h"
#include "kernel_registry.h"

namespace flashjit {

class CudaTarget final : public TuningTarget {
 public:
  // Allocates and fills the tensors of `shape`, dense BSHD. `executor` and `registry` outlive the
  // target.
  CudaTarget(const Executor& executor,
             KernelRegistry& registry,
             const Device& device,
             const Problem& problem,
             const ProblemShape& shape,
             const MeasurePolicy& policy);
  ~CudaTarget() override;

  std::string compile(const Tiling& tiling) override;
  std::string verify(const Tiling& tiling) override;
  std::vector<Timing> time(std::span<const Tiling> tilings, int rounds) override;

  // Median while the last comparison ran; 0 when it is not known.
  double sm_clock_mhz() const override { return sm_clock_mhz_; }

 private:
  struct InputSet;

  AttentionArgs args(InputSet& set) const;
  void launch(const Tiling& tiling, CUstream stream, int set);
  OutputSample sample_output(InputSet& set) const;
  // After an error: throws Error(kDriver) if the context can do nothing any more.
  void require_device(const std::string& after) const;

  const Executor& executor_;
  KernelRegistry& registry_;
  const Device& device_;
  const Problem problem_;
  const ProblemShape shape_;
  const MeasurePolicy policy_;
  std::vector<std::unique_ptr<InputSet>> sets_;
  GpuBuffer workspace_;
  OutputCheck check_;
  double sm_clock_mhz_ = 0;
};

// "" or why the variant cannot be used; compiles it into the cache and loads it. One that spills is
// slow, not wrong: its time says so.
std::string compile_variant(KernelRegistry& registry, const KernelConfig& config);

// The shape that a workload's problem is measured with: dense BSHD strides, diagonal and scale as
// forward() sets them.
ProblemShape dense_shape(
    const Problem& problem, int batch, int seqlen_q, int seqlen_kv, int heads_q, int heads_kv);

}  // namespace flashjit
