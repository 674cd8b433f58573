#include "autotune/cuda_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <exception>
#include <random>

namespace flashjit {
namespace {

constexpr int kInputSets = 2;

float to_float(Dtype dtype, const std::byte* element) {
  if (dtype == Dtype::kFp32) {
    float value;
    std::memcpy(&value, element, sizeof value);
    return value;
  }
  std::uint16_t bits;
  std::memcpy(&bits, element, sizeof bits);
  if (dtype == Dtype::kBf16) return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  const std::uint32_t sign = bits & 0x8000u, exponent = bits >> 10 & 31, mantissa = bits & 1023;
  if (exponent == 0) return (sign ? -0x1p-24f : 0x1p-24f) * static_cast<float>(mantissa);
  const std::uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign << 16 | wide << 23 | mantissa << 13);
}

// A standard normal element. fp16 by truncation: inputs are arbitrary, only their spread matters.
void store(Dtype dtype, float value, std::byte* out) {
  if (dtype == Dtype::kFp32) {
    std::memcpy(out, &value, sizeof value);
    return;
  }
  std::uint16_t bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
  if (dtype == Dtype::kFp16) {
    int exponent = 0;
    const float mantissa = std::frexp(std::abs(value), &exponent);  // 0.5 … 1
    bits = static_cast<std::uint16_t>((value < 0) << 15);
    if (exponent + 14 > 0 && value != 0) {
      bits |= static_cast<std::uint16_t>((exponent + 14) << 10 |
                                         (static_cast<int>(mantissa * 2048) & 1023));
    }
  }
  std::memcpy(out, &bits, sizeof bits);
}

std::vector<std::byte> random_elements(Dtype dtype, std::size_t count, unsigned seed) {
  // A block of random numbers of a prime length, repeated: no two rows are alike.
  constexpr std::size_t kBlock = 1'000'003;
  const std::size_t size = static_cast<std::size_t>(size_of(dtype));
  std::vector<std::byte> bytes(count * size);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const std::size_t fresh = std::min(count, kBlock);
  for (std::size_t i = 0; i < fresh; ++i) store(dtype, normal(random), &bytes[i * size]);
  for (std::size_t i = fresh; i < count; i += kBlock) {
    std::memcpy(&bytes[i * size], bytes.data(), std::min(kBlock, count - i) * size);
  }
  return bytes;
}

}  // namespace

struct CudaTarget::InputSet {
  InputSet(const Device& device, const Problem& p, const ProblemShape& s, unsigned seed) {
    const std::size_t size = static_cast<std::size_t>(size_of(p.dtype));
    const std::size_t rows_q = std::size_t{1} * s.batch * s.seqlen_q * s.num_heads_q;
    const std::size_t rows_kv = std::size_t{1} * s.batch * s.seqlen_kv * s.num_heads_kv;
    const auto fill = [&](GpuBuffer& buffer, std::size_t count, unsigned stream) {
      buffer = GpuBuffer(device, std::max<std::size_t>(count * size, 16));
      if (count != 0) buffer.upload(random_elements(p.dtype, count, 3 * seed + stream).data());
    };
    fill(q, rows_q * p.head_dim_qk, 0);
    fill(k, rows_kv * p.head_dim_qk, 1);
    fill(v, rows_kv * p.head_dim_v, 2);
    o = GpuBuffer(device, std::max<std::size_t>(rows_q * p.head_dim_v * size, 16));
    if (p.return_lse) lse = GpuBuffer(device, std::max<std::size_t>(rows_q * sizeof(float), 16));
  }
  GpuBuffer q, k, v, o, lse;
};

CudaTarget::CudaTarget(const Executor& executor,
                       KernelRegistry& registry,
                       const Device& device,
                       const Problem& problem,
                       const ProblemShape& shape,
                       const MeasurePolicy& policy)
    : executor_(executor),
      registry_(registry),
      device_(device),
      problem_(problem),
      shape_(shape),
      policy_(policy),
      check_(problem.dtype) {
  for (unsigned i = 0; i < kInputSets; ++i) {
    sets_.push_back(std::make_unique<InputSet>(device, problem, shape, i));
  }
}

CudaTarget::~CudaTarget() = default;

AttentionArgs CudaTarget::args(InputSet& set) const {
  const Dtype dtype = problem_.dtype;
  AttentionArgs args;
  args.q = bshd(
      set.q.data(), dtype, shape_.batch, shape_.seqlen_q, shape_.num_heads_q, problem_.head_dim_qk);
  args.k = bshd(set.k.data(),
                dtype,
                shape_.batch,
                shape_.seqlen_kv,
                shape_.num_heads_kv,
                problem_.head_dim_qk);
  args.v = bshd(set.v.data(),
                dtype,
                shape_.batch,
                shape_.seqlen_kv,
                shape_.num_heads_kv,
                problem_.head_dim_v);
  args.o = bshd(
      set.o.data(), dtype, shape_.batch, shape_.seqlen_q, shape_.num_heads_q, problem_.head_dim_v);
  args.causal = problem_.mask == MaskKind::kCausal;
  args.softmax_scale = shape_.softmax_scale;
  args.lse = problem_.return_lse ? static_cast<float*>(set.lse.data()) : nullptr;
  args.workspace = workspace_.data();
  args.workspace_size = workspace_.bytes();
  return args;
}

void CudaTarget::launch(const Tiling& tiling, CUstream stream, int set) {
  const KernelConfig config = {problem_, tiling, executor_.device().arch};
  const Kernel& kernel = registry_.get(config);
  executor_.launch(
      *kernel.loaded, config, args(*sets_[static_cast<std::size_t>(set)]), shape_, stream);
}

std::string CudaTarget::compile(const Tiling& tiling) {
  return compile_variant(registry_, {problem_, tiling, executor_.device().arch});
}

std::string CudaTarget::verify(const Tiling& tiling) {
  try {
    InputSet& set = *sets_.front();
    set.o.fill(0xFF);  // NaN
    if (problem_.return_lse) set.lse.fill(0xFF);
    const GpuStream stream(device_);
    const std::size_t wanted =
        workspace_bytes({problem_, tiling, executor_.device().arch}, shape_, executor_.device());
    if (wanted > workspace_.bytes()) workspace_ = GpuBuffer(device_, wanted);
    launch(tiling, stream.get(), 0);
    stream.synchronize();
    return check_.compare(sample_output(set));
  } catch (const Error& error) {
    require_device(error.what());
    return error.what();
  }
}

void CudaTarget::require_device(const std::string& after) const {
  const CUresult state = device_.driver().ctx_synchronize();
  if (state == CUDA_SUCCESS) return;
  throw Error(ErrorCode::kDriver,
              fmt::format("the device is lost to this process after: {} (now {}); with --isolate "
                          "such a candidate costs only itself",
                          after,
                          device_.driver().describe(state)));
}

OutputSample CudaTarget::sample_output(InputSet& set) const {
  const std::size_t size = static_cast<std::size_t>(size_of(problem_.dtype));
  const std::size_t tokens = std::size_t{1} * shape_.batch * shape_.seqlen_q;
  OutputSample output;
  output.run = std::size_t{1} * shape_.num_heads_q * problem_.head_dim_v;
  const TokenSample sample = sample_tokens(tokens, output.run);
  std::vector<std::byte> bytes(sample.count * output.run * size);
  set.o.download_rows(
      bytes.data(), output.run * size, sample.stride * output.run * size, sample.count);
  output.o.resize(sample.count * output.run);
  for (std::size_t i = 0; i < output.o.size(); ++i)
    output.o[i] = to_float(problem_.dtype, &bytes[i * size]);
  if (problem_.return_lse) {
    output.lse.resize(tokens * shape_.num_heads_q);
    set.lse.download(output.lse.data(), 0, output.lse.size() * sizeof(float));
  }
  return output;
}

std::vector<Timing> CudaTarget::time(std::span<const Tiling> tilings, int rounds) {
  std::vector<TimedCall> calls;
  for (const Tiling& tiling : tilings) {
    calls.push_back(
        {"", [this, tiling](CUstream stream, int set) { launch(tiling, stream, set); }});
  }
  MeasurePolicy policy = policy_;
  policy.rounds = rounds;
  policy.min_rounds = std::min(rounds, policy.min_rounds);
  const Comparison comparison = compare_device_times(device_, calls, kInputSets, policy);
  if (comparison.sm_clock_mhz > 0) sm_clock_mhz_ = comparison.sm_clock_mhz;
  std::vector<Timing> timings;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const Measurement& m = comparison.measurements[i];
    if (!m.error.empty()) require_device(m.error);
    timings.push_back({m.median_us,
                       m.spread_us,
                       comparison.paired_ratio(i, 0),
                       static_cast<int>(m.samples_us.size()),
                       m.error});
  }
  return timings;
}

std::string compile_variant(KernelRegistry& registry, const KernelConfig& config) {
  try {
    registry.get(config);
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

ProblemShape dense_shape(
    const Problem& problem, int batch, int seqlen_q, int seqlen_kv, int heads_q, int heads_kv) {
  AttentionArgs args;
  args.q = bshd(nullptr, problem.dtype, batch, seqlen_q, heads_q, problem.head_dim_qk);
  args.k = bshd(nullptr, problem.dtype, batch, seqlen_kv, heads_kv, problem.head_dim_qk);
  args.v = bshd(nullptr, problem.dtype, batch, seqlen_kv, heads_kv, problem.head_dim_v);
  args.o = bshd(nullptr, problem.dtype, batch, seqlen_q, heads_q, problem.head_dim_v);
  args.causal = problem.mask == MaskKind::kCausal;
  return validate(args, /*check_pointers=*/false).shape;
}

}  // namespace flashjit
