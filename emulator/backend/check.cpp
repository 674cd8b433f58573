#include "check.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <ctime>
#include <limits>
#include <random>

#include "emu/float16.h"
#include "emulated_kernel.h"
#include "guarded_buffer.h"
#include "runtime/problem.h"

namespace flashjit::emu {
namespace {

float load(Dtype dtype, const std::byte* data, std::size_t i) {
  if (dtype == Dtype::kFp32) return reinterpret_cast<const float*>(data)[i];
  const u16 bits = reinterpret_cast<const u16*>(data)[i];
  return dtype == Dtype::kBf16 ? bf16_to_float(bits) : fp16_to_float(bits);
}

void store(Dtype dtype, std::byte* data, std::size_t i, float x) {
  if (dtype == Dtype::kFp32) {
    reinterpret_cast<float*>(data)[i] = x;
  } else {
    reinterpret_cast<u16*>(data)[i] = dtype == Dtype::kBf16 ? float_to_bf16(x) : float_to_fp16(x);
  }
}

// Relative error of one rounding to the dtype; for fp32, of exp2 and the order of sums.
double unit_error(Dtype dtype) {
  return dtype == Dtype::kBf16 ? 0x1p-9 : dtype == Dtype::kFp16 ? 0x1p-12 : 0x1p-19;
}

// The tensors of a check, dense [batch, seqlen, heads, head_dim], and the exact result.
class CheckProblem {
 public:
  CheckProblem(const Problem& problem, const CheckShape& shape)
      : problem_(problem),
        shape_(shape),
        q_(bytes(shape.seqlen_q, shape.num_heads_q, problem.head_dim_qk)),
        k_(bytes(shape.seqlen_kv, shape.num_heads_kv, problem.head_dim_qk)),
        v_(bytes(shape.seqlen_kv, shape.num_heads_kv, problem.head_dim_v)),
        o_(bytes(shape.seqlen_q, shape.num_heads_q, problem.head_dim_v)),
        lse_(num_rows() * sizeof(float)) {
    std::mt19937_64 random(42);
    std::normal_distribution<float> normal;
    for (GuardedBuffer* buffer : {&q_, &k_, &v_}) {
      const std::size_t n = buffer->size() / static_cast<std::size_t>(size_of(problem.dtype));
      for (std::size_t i = 0; i < n; ++i) store(problem.dtype, buffer->data(), i, normal(random));
    }
    compute_reference();
  }

  AttentionArgs args() const {
    const auto view = [&](const GuardedBuffer& buffer, int seqlen, int heads, int head_dim) {
      return bshd(buffer.data(), problem_.dtype, shape_.batch, seqlen, heads, head_dim);
    };
    AttentionArgs args;
    args.q = view(q_, shape_.seqlen_q, shape_.num_heads_q, problem_.head_dim_qk);
    args.k = view(k_, shape_.seqlen_kv, shape_.num_heads_kv, problem_.head_dim_qk);
    args.v = view(v_, shape_.seqlen_kv, shape_.num_heads_kv, problem_.head_dim_v);
    args.o = view(o_, shape_.seqlen_q, shape_.num_heads_q, problem_.head_dim_v);
    args.causal = problem_.mask == MaskKind::kCausal;
    args.lse = problem_.return_lse ? lse_.as<float>().data() : nullptr;
    return args;
  }

  void clear_output() {
    std::fill_n(o_.data(), o_.size(), std::byte{0xff});
    std::fill_n(lse_.data(), lse_.size(), std::byte{0xff});
  }
  std::vector<std::byte> output() const {
    std::vector<std::byte> all(o_.data(), o_.data() + o_.size());
    all.insert(all.end(), lse_.data(), lse_.data() + lse_.size());
    return all;
  }

  // "" or what is wrong with O and LSE.
  std::string judge(CheckReport& report) const {
    // P, its sum and O are rounded once each; the softmax of nearly equal scores averages the rest.
    const double o_limit = 4 * unit_error(problem_.dtype) * largest_v_;
    const double lse_limit = problem_.dtype == Dtype::kFp32 ? 1e-5 : 1e-3;
    for (std::size_t i = 0; i < reference_.size(); ++i) {
      const double error = std::abs(double(load(problem_.dtype, o_.data(), i)) - reference_[i]);
      if (error <= o_limit) {
        report.worst_o = std::max(report.worst_o, error);
        continue;
      }
      const auto head_dim = static_cast<std::size_t>(problem_.head_dim_v);
      return fmt::format("O{} is {}, the reference {:.6f}; the limit is {:.2g}",
                         position(i / head_dim, i % head_dim),
                         load(problem_.dtype, o_.data(), i),
                         reference_[i],
                         o_limit);
    }
    for (std::size_t i = 0; problem_.return_lse && i < reference_lse_.size(); ++i) {
      const double lse = lse_.as<float>()[i], exact = reference_lse_[i];
      if (lse == exact) continue;  // −inf
      const double error = std::abs(lse - exact);
      if (!(error <= lse_limit))
        return fmt::format("LSE[{}] is {}, the reference {}", i, lse, exact);
      report.worst_lse = std::max(report.worst_lse, error);
    }
    return "";
  }

 private:
  std::size_t bytes(int seqlen, int heads, int head_dim) const {
    return std::size_t(shape_.batch) * std::size_t(seqlen) * std::size_t(heads) *
           std::size_t(head_dim) * std::size_t(size_of(problem_.dtype));
  }
  std::size_t num_rows() const {
    return std::size_t(shape_.batch) * std::size_t(shape_.num_heads_q) *
           std::size_t(shape_.seqlen_q);
  }
  std::string position(std::size_t row, std::size_t column) const {
    const auto heads = std::size_t(shape_.num_heads_q), seqlen = std::size_t(shape_.seqlen_q);
    return fmt::format("[batch {}, row {}, head {}, column {}]",
                       row / heads / seqlen,
                       row / heads % seqlen,
                       row % heads,
                       column);
  }

  std::vector<double> unpack(const GuardedBuffer& buffer) const {
    std::vector<double> values(buffer.size() / std::size_t(size_of(problem_.dtype)));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = load(problem_.dtype, buffer.data(), i);
    return values;
  }

  void compute_reference() {
    const std::vector<double> q = unpack(q_), k = unpack(k_), v = unpack(v_);
    for (double x : v) largest_v_ = std::max(largest_v_, std::abs(x));
    reference_.assign(num_rows() * std::size_t(problem_.head_dim_v), 0);
    reference_lse_.assign(num_rows(), 0);
    for (int b = 0; b < shape_.batch; ++b)
      for (int h = 0; h < shape_.num_heads_q; ++h)
        for (int i = 0; i < shape_.seqlen_q; ++i) compute_row(q, k, v, b, h, i);
  }

  void compute_row(const std::vector<double>& q,
                   const std::vector<double>& k,
                   const std::vector<double>& v,
                   int b,
                   int h,
                   int i) {
    const auto at = [](int batch, int seqlen, int row, int heads, int head, int dim) {
      return ((std::size_t(batch) * std::size_t(seqlen) + std::size_t(row)) * std::size_t(heads) +
              std::size_t(head)) *
             std::size_t(dim);
    };
    const int d = problem_.head_dim_qk, dv = problem_.head_dim_v, n = shape_.seqlen_kv;
    const int kv_head = h / (shape_.num_heads_q / shape_.num_heads_kv);
    const bool causal = problem_.mask == MaskKind::kCausal;
    const int end = causal ? std::clamp(i + n - shape_.seqlen_q + 1, 0, n) : n;
    const double* row = &q[at(b, shape_.seqlen_q, i, shape_.num_heads_q, h, d)];
    std::vector<double> weights(static_cast<std::size_t>(end));
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int j = 0; j < end; ++j) {
      const double* key = &k[at(b, n, j, shape_.num_heads_kv, kv_head, d)];
      double score = 0;
      for (int c = 0; c < d; ++c) score += row[c] * key[c];
      weights[std::size_t(j)] = score / std::sqrt(double(d));
      largest = std::max(largest, weights[std::size_t(j)]);
    }
    for (double& w : weights) sum += w = std::exp(w - largest);
    double* out = &reference_[at(b, shape_.seqlen_q, i, shape_.num_heads_q, h, dv)];
    for (int j = 0; j < end; ++j) {
      const double* value = &v[at(b, n, j, shape_.num_heads_kv, kv_head, dv)];
      for (int c = 0; c < dv; ++c) out[c] += weights[std::size_t(j)] / sum * value[c];
    }
    reference_lse_[at(b, shape_.num_heads_q, h, shape_.seqlen_q, i, 1)] = largest + std::log(sum);
  }

  Problem problem_;
  CheckShape shape_;
  GuardedBuffer q_, k_, v_, o_, lse_;
  std::vector<double> reference_, reference_lse_;
  double largest_v_ = 0;
};

}  // namespace

Checker::Checker(const Settings& settings, std::shared_ptr<spdlog::logger> logger)
    : executor_(settings, Options{}), registry_(executor_, settings, std::move(logger)) {}

Stats Checker::run(const KernelConfig& config, const AttentionArgs& args, const Options& options) {
  const Kernel& kernel = registry_.get(config);
  return launch_variant(config,
                        static_cast<const EmulatedKernel&>(*kernel.loaded).entries(),
                        args,
                        validate(args).shape,
                        executor_.device(),
                        options);
}

CheckReport Checker::check(const KernelConfig& config, const CheckOptions& options) {
  CheckProblem problem(config.problem, options.shape);
  CheckReport report;
  std::vector<std::byte> first;
  registry_.get(config);  // compile outside of the time that is reported
  const std::clock_t start = std::clock();
  for (int i = 0; i < options.schedules && report.ok; ++i) {
    report.seed = options.seed + std::uint64_t(i);
    report.schedules = i + 1;
    const auto fail = [&](std::string kind, std::string message) {
      report.ok = false;
      report.kind = std::move(kind);
      report.message = std::move(message);
    };
    problem.clear_output();
    try {
      Options detectors = options.detectors;
      detectors.seed = report.seed;
      report.stats = run(config, problem.args(), detectors);
    } catch (const Failure& failure) {
      fail(failure.kind(), failure.what());
      break;
    }
    if (std::string wrong = problem.judge(report); !wrong.empty()) {
      fail("wrong", std::move(wrong));
    } else if (first.empty()) {
      first = problem.output();
    } else if (first != problem.output()) {
      fail("nondeterministic", "the output differs from that of the first schedule");
    }
    if (report.ok && options.bank_conflicts && report.stats.bank_conflicts > 0) {
      std::string places;
      for (const auto& [place, n] : report.stats.bank_conflicts_at) {
        places += fmt::format(" {} at {}", n, place);
      }
      fail("banks", "extra wavefronts of ldmatrix and stmatrix:" + places);
    }
  }
  report.seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
  return report;
}

}  // namespace flashjit::emu
