#include "cli/accuracy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/scalar.h"

namespace flashjit::cli {
namespace {

template <typename Real>
std::vector<Real> widen(const void* data, Dtype dtype, std::size_t size) {
  std::vector<Real> values(size);
  for (std::size_t i = 0; i < size; ++i) values[i] = load_element(data, dtype, i);
  return values;
}

// Turns the scores of one query row into its probabilities.
template <typename Real, typename Round>
void softmax_row(std::vector<Real>& scores, int visible, const Round& round) {
  const Real largest = *std::max_element(scores.begin(), scores.begin() + visible);
  Real sum = 0;
  for (int j = 0; j < visible; ++j) sum += scores[j] = std::exp(scores[j] - largest);
  for (int j = 0; j < visible; ++j) scores[j] = round(scores[j] / sum);
}

// `Real` is what sums are kept in; `round` is applied to scores, probabilities and the output.
template <typename Real, typename Round>
std::vector<double> attention(const AttentionProblem& problem,
                              const void* q_data,
                              const void* k_data,
                              const void* v_data,
                              const Round& round) {
  const auto [dtype, batch, seqlen_q, seqlen_kv, heads_q, heads_kv, dim, causal] = problem;
  const std::vector<Real> q = widen<Real>(q_data, dtype, problem.q_elements());
  const std::vector<Real> k = widen<Real>(k_data, dtype, problem.kv_elements());
  const std::vector<Real> v = widen<Real>(v_data, dtype, problem.kv_elements());
  std::vector<double> out(q.size(), 0.0);
  std::vector<Real> scores(static_cast<std::size_t>(seqlen_kv)),
      sums(static_cast<std::size_t>(dim));
  const Real scale = static_cast<Real>(1 / std::sqrt(static_cast<double>(dim)));
  for (int row = 0; row < batch * seqlen_q * heads_q; ++row) {
    const int h = row % heads_q, i = row / heads_q % seqlen_q, b = row / heads_q / seqlen_q;
    const int visible = causal ? std::clamp(i + seqlen_kv - seqlen_q + 1, 0, seqlen_kv) : seqlen_kv;
    if (visible == 0) continue;
    const std::size_t q_at = std::size_t{1} * row * dim;
    const std::size_t kv_step = std::size_t{1} * heads_kv * dim;
    const std::size_t kv_at =
        b * seqlen_kv * kv_step + std::size_t{1} * (h / (heads_q / heads_kv)) * dim;
    for (int j = 0; j < visible; ++j) {
      Real dot = 0;
      for (int d = 0; d < dim; ++d) dot += q[q_at + d] * k[kv_at + j * kv_step + d];
      scores[j] = round(dot * scale);
    }
    softmax_row(scores, visible, round);
    std::fill(sums.begin(), sums.end(), Real{0});
    for (int j = 0; j < visible; ++j) {
      for (int d = 0; d < dim; ++d) sums[d] += scores[j] * v[kv_at + j * kv_step + d];
    }
    for (int d = 0; d < dim; ++d) out[q_at + d] = round(sums[d]);
  }
  return out;
}

}  // namespace

std::vector<double> exact_attention(const AttentionProblem& problem,
                                    const void* q,
                                    const void* k,
                                    const void* v) {
  return attention<double>(problem, q, k, v, [](double value) { return value; });
}

std::vector<double> low_precision_attention(const AttentionProblem& problem,
                                            const void* q,
                                            const void* k,
                                            const void* v) {
  return attention<float>(problem, q, k, v, [dtype = problem.dtype](float value) {
    return static_cast<float>(round_to(value, dtype));
  });
}

Bounds rounding_bounds(Dtype dtype,
                       const std::vector<double>& exact,
                       const std::vector<double>& low) {
  double low_max = 0, low_sum = 0, step_max = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double low_error = std::abs(low[i] - exact[i]);
    low_max = std::max(low_max, low_error);
    low_sum += low_error;
    const double there_and_back =
        round_to(round_to(round_to(exact[i], dtype) + 0.3, dtype) - 0.3, dtype);
    step_max = std::max(step_max, std::abs(there_and_back - exact[i]));
  }
  return {.max = 2 * low_max + 2 * step_max,
          .mean = 1.5 * low_sum / static_cast<double>(exact.size())};
}

Accuracy judge(const void* out,
               Dtype dtype,
               const std::vector<double>& reference,
               const Bounds& bounds) {
  Accuracy accuracy{.max_bound = bounds.max, .mean_bound = bounds.mean};
  for (std::size_t i = 0; i < reference.size(); ++i) {
    double error = std::abs(load_element(out, dtype, i) - reference[i]);
    if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
    accuracy.max_error = std::max(accuracy.max_error, error);
    accuracy.mean_error += error / static_cast<double>(reference.size());
  }
  return accuracy;
}

}  // namespace flashjit::cli
