#include "check_problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "emu/float16.h"

namespace flashjit::emu {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

float load(Dtype dtype, const void* data, std::size_t i) {
  if (dtype == Dtype::kFp32) return static_cast<const float*>(data)[i];
  const u16 bits = static_cast<const u16*>(data)[i];
  return dtype == Dtype::kBf16 ? bf16_to_float(bits) : fp16_to_float(bits);
}

void store(Dtype dtype, void* data, std::size_t i, float x) {
  if (dtype == Dtype::kFp32) {
    static_cast<float*>(data)[i] = x;
  } else {
    static_cast<u16*>(data)[i] = dtype == Dtype::kBf16 ? float_to_bf16(x) : float_to_fp16(x);
  }
}

// Relative error of one rounding to the dtype; for fp32, of exp2 and the order of sums.
double unit_error(Dtype dtype) {
  return dtype == Dtype::kBf16 ? 0x1p-9 : dtype == Dtype::kFp16 ? 0x1p-12 : 0x1p-19;
}

// Of element 0 of a row.
std::size_t offset_of(const TensorView& view, int batch, int row, int head) {
  return static_cast<std::size_t>(batch * view.strides[0] + row * view.strides[1] +
                                  head * view.strides[2]);
}

std::vector<double> unpack(Dtype dtype, const GuardedBuffer& buffer) {
  std::vector<double> values(buffer.size() / static_cast<std::size_t>(size_of(dtype)));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = load(dtype, buffer.data(), i);
  return values;
}

}  // namespace

CheckProblem::CheckProblem(const Problem& problem, const CheckShape& shape)
    : problem_(problem),
      shape_(shape),
      q_(bytes(shape.seqlen_q, shape.num_heads_q, problem.head_dim_qk)),
      k_(bytes(shape.seqlen_kv, shape.num_heads_kv, problem.head_dim_qk)),
      v_(bytes(shape.seqlen_kv, shape.num_heads_kv, problem.head_dim_v)),
      o_(bytes(shape.seqlen_q, shape.num_heads_q, problem.head_dim_v)),
      lse_(num_rows() * sizeof(float)) {
  fill_inputs();
  if (shape.inputs == CheckInputs::kSpecial) place_special_values();
  compute_reference();
}

AttentionArgs CheckProblem::args() const {
  AttentionArgs args;
  args.q = view(q_, shape_.seqlen_q, shape_.num_heads_q, problem_.head_dim_qk);
  args.k = view(k_, shape_.seqlen_kv, shape_.num_heads_kv, problem_.head_dim_qk);
  args.v = view(v_, shape_.seqlen_kv, shape_.num_heads_kv, problem_.head_dim_v);
  args.o = view(o_, shape_.seqlen_q, shape_.num_heads_q, problem_.head_dim_v);
  args.causal = problem_.mask == MaskKind::kCausal;
  args.alignment = shape_.top_left ? CausalAlignment::kTopLeft : CausalAlignment::kBottomRight;
  args.softmax_scale = shape_.softmax_scale;
  args.lse = problem_.return_lse ? lse_.as<float>().data() : nullptr;
  return args;
}

void CheckProblem::clear_output() {
  std::fill_n(o_.data(), o_.size(), std::byte{0xff});
  std::fill_n(lse_.data(), lse_.size(), std::byte{0xff});
}

std::vector<std::byte> CheckProblem::output() const {
  std::vector<std::byte> all(o_.data(), o_.data() + o_.size());
  all.insert(all.end(), lse_.data(), lse_.data() + lse_.size());
  return all;
}

std::string CheckProblem::judge(Errors& worst) const {
  std::string wrong;  // the first one
  const auto raise = [](double& largest, double error) {
    largest = std::max(largest, std::isnan(error) ? kInf : error);
  };
  // P, its sum and O are rounded once each; the softmax of nearly equal scores averages the rest.
  const double o_limit = 4 * unit_error(problem_.dtype) * largest_v_;
  const double lse_limit = problem_.dtype == Dtype::kFp32 ? 1e-5 : 1e-3;
  const TensorView o = args().o;
  const auto heads = std::size_t(shape_.num_heads_q), seqlen = std::size_t(shape_.seqlen_q);
  const auto head_dim = std::size_t(problem_.head_dim_v);
  for (std::size_t i = 0; i < reference_.size(); ++i) {
    const std::size_t row = i / head_dim, column = i % head_dim;
    const std::size_t first =
        offset_of(o, int(row / seqlen / heads), int(row % seqlen), int(row / seqlen % heads));
    const double value = load(problem_.dtype, o_.data(), first + column), exact = reference_[i];
    if (!std::isfinite(exact) && !std::isfinite(value)) continue;
    const double error = std::abs(value - exact);
    raise(worst.o, error);
    if (!(error <= o_limit) && wrong.empty()) {
      wrong = fmt::format(
          "O[batch {}, row {}, head {}, column {}] is {}, the reference {:.6f}; the "
          "limit is {:.2g}",
          row / seqlen / heads,
          row % seqlen,
          row / seqlen % heads,
          column,
          value,
          exact,
          o_limit);
    }
  }
  for (std::size_t i = 0; problem_.return_lse && i < reference_lse_.size(); ++i) {
    const double lse = lse_.as<float>()[i], exact = reference_lse_[i];
    if (lse == exact || (std::isnan(lse) && std::isnan(exact))) continue;  // −inf, NaN
    const double error = std::abs(lse - exact);
    raise(worst.lse, error);
    if (!(error <= lse_limit) && wrong.empty())
      wrong = fmt::format("LSE[{}] is {}, the reference {}", i, lse, exact);
  }
  return wrong;
}

std::size_t CheckProblem::bytes(int seqlen, int heads, int head_dim) const {
  return std::size_t(shape_.batch) * std::size_t(seqlen) * std::size_t(heads) *
         std::size_t(head_dim) * std::size_t(size_of(problem_.dtype));
}

std::size_t CheckProblem::num_rows() const {
  return std::size_t(shape_.batch) * std::size_t(shape_.num_heads_q) * std::size_t(shape_.seqlen_q);
}

TensorView CheckProblem::view(const GuardedBuffer& buffer,
                              int seqlen,
                              int heads,
                              int head_dim) const {
  return shape_.bhsd
             ? flashjit::bhsd(buffer.data(), problem_.dtype, shape_.batch, heads, seqlen, head_dim)
             : flashjit::bshd(buffer.data(), problem_.dtype, shape_.batch, seqlen, heads, head_dim);
}

void CheckProblem::fill_inputs() {
  std::mt19937_64 random(42);
  std::normal_distribution<float> normal;
  for (GuardedBuffer* buffer : {&q_, &k_, &v_}) {
    const float factor = shape_.inputs == CheckInputs::kLarge && buffer != &v_ ? 4.0f : 1.0f;
    const std::size_t n = buffer->size() / static_cast<std::size_t>(size_of(problem_.dtype));
    for (std::size_t i = 0; i < n; ++i)
      store(problem_.dtype, buffer->data(), i, factor * normal(random));
  }
}

// Of the last batch and head: a NaN of V in the middle and an infinity at three quarters, a NaN of
// K near the end, one row of Q.
void CheckProblem::place_special_values() {
  const auto place = [&](const GuardedBuffer& buffer, const TensorView& view, int row, double x) {
    const int head = int(view.shape[2]) - 1;
    store(problem_.dtype,
          buffer.data(),
          offset_of(view, shape_.batch - 1, row, head) + std::size_t(view.shape[3] / 2),
          float(x));
  };
  const AttentionArgs tensors = args();
  const int keys = shape_.seqlen_kv;
  place(v_, tensors.v, keys / 2, kNaN);
  place(v_, tensors.v, keys / 4 * 3, kInf);
  place(k_, tensors.k, keys - std::min(keys, 5), kNaN);
  place(q_, tensors.q, shape_.seqlen_q / 3, kNaN);
}

void CheckProblem::compute_reference() {
  const std::vector<double> inputs[] = {
      unpack(problem_.dtype, q_), unpack(problem_.dtype, k_), unpack(problem_.dtype, v_)};
  for (double x : inputs[2]) {
    if (std::isfinite(x)) largest_v_ = std::max(largest_v_, std::abs(x));
  }
  for (int b = 0; b < shape_.batch; ++b)
    for (int h = 0; h < shape_.num_heads_q; ++h)
      for (int i = 0; i < shape_.seqlen_q; ++i) compute_row(inputs, b, h, i);
}

// Appends O and LSE of one row.
void CheckProblem::compute_row(const std::vector<double> (&inputs)[3], int b, int h, int i) {
  const AttentionArgs tensors = args();
  const int n = shape_.seqlen_kv, kv_head = h / (shape_.num_heads_q / shape_.num_heads_kv);
  const int diagonal = shape_.top_left ? 0 : n - shape_.seqlen_q;
  const int end = problem_.mask == MaskKind::kCausal ? std::clamp(i + diagonal + 1, 0, n) : n;
  const double scale =
      shape_.softmax_scale ? double(*shape_.softmax_scale) : 1 / std::sqrt(problem_.head_dim_qk);
  const double* q = inputs[0].data() + offset_of(tensors.q, b, i, h);
  std::vector<double> weights;
  double largest = -kInf, sum = 0;
  for (int j = 0; j < end; ++j) {
    const double* k = inputs[1].data() + offset_of(tensors.k, b, j, kv_head);
    double score = 0;
    for (int c = 0; c < problem_.head_dim_qk; ++c) score += q[c] * k[c];
    weights.push_back(score * scale);
    largest = std::max(largest, weights.back());  // a NaN loses here and stays in its weight
  }
  for (double& w : weights) sum += w = std::exp(w - largest);
  std::vector<double> o(std::size_t(problem_.head_dim_v), 0.0);
  for (int j = 0; j < end; ++j) {
    const double* v = inputs[2].data() + offset_of(tensors.v, b, j, kv_head);
    for (std::size_t c = 0; c < o.size(); ++c) o[c] += weights[std::size_t(j)] / sum * v[c];
  }
  reference_.insert(reference_.end(), o.begin(), o.end());
  reference_lse_.push_back(largest + std::log(sum));
}

}  // namespace flashjit::emu
