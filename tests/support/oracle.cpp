#include "support/oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace flashjit::test {
namespace {

// Decoded once, dense: [batch][heads][seqlen][head_dim].
template <typename Real>
std::vector<Real> decode_all(const HostTensor& tensor) {
  const auto [batch, seqlen, heads, dim] = tensor.shape();
  std::vector<Real> values;
  values.reserve(batch * heads * seqlen * dim);
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t s = 0; s < seqlen; ++s)
        for (std::int64_t d = 0; d < dim; ++d)
          values.push_back(static_cast<Real>(tensor.get(b, s, h, d)));
  return values;
}

template <typename Real>
Real dot(const Real* a, const Real* b, std::int64_t size) {
  Real sum = 0;
  for (std::int64_t i = 0; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

// One implementation of the formula in the arithmetic `Real`; `round` is applied to scores,
// probabilities and results.
template <typename Real, typename Round>
OracleResult attention(const HostTensor& q_tensor,
                       const HostTensor& k_tensor,
                       const HostTensor& v_tensor,
                       const OracleOptions& options,
                       Round round) {
  const auto [batch, seqlen_q, heads_q, dim_qk] = q_tensor.shape();
  const std::int64_t seqlen_kv = k_tensor.shape()[1], heads_kv = k_tensor.shape()[2];
  const std::int64_t dim_v = v_tensor.shape()[3];
  const auto q = decode_all<Real>(q_tensor), k = decode_all<Real>(k_tensor),
             v = decode_all<Real>(v_tensor);
  const Real scale = static_cast<Real>(options.scale.value_or(1.0 / std::sqrt(double(dim_qk))));
  OracleResult result;
  result.o.resize(batch * seqlen_q * heads_q * dim_v);
  result.lse.resize(batch * heads_q * seqlen_q);
  std::vector<Real> probs(seqlen_kv), sums(dim_v);
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t h = 0; h < heads_q; ++h) {
      const std::int64_t kv = b * heads_kv + h / (heads_q / heads_kv);
      for (std::int64_t i = 0; i < seqlen_q; ++i) {
        const std::int64_t offset = options.top_left ? 0 : seqlen_kv - seqlen_q;
        const std::int64_t visible =
            options.causal ? std::clamp<std::int64_t>(i + offset + 1, 0, seqlen_kv) : seqlen_kv;
        const Real* q_row = &q[((b * heads_q + h) * seqlen_q + i) * dim_qk];
        Real row_max = -std::numeric_limits<Real>::infinity(), row_sum = 0;
        for (std::int64_t j = 0; j < visible; ++j) {
          probs[j] = round(round(dot(q_row, &k[(kv * seqlen_kv + j) * dim_qk], dim_qk)) * scale);
          row_max = std::max(row_max, probs[j]);
        }
        for (std::int64_t j = 0; j < visible; ++j)
          row_sum += probs[j] = std::exp(probs[j] - row_max);
        std::fill(sums.begin(), sums.end(), Real{0});
        for (std::int64_t j = 0; j < visible; ++j) {
          const Real prob = round(probs[j] / row_sum);
          for (std::int64_t d = 0; d < dim_v; ++d)
            sums[d] += prob * v[(kv * seqlen_kv + j) * dim_v + d];
        }
        for (std::int64_t d = 0; d < dim_v; ++d)
          result.o[((b * seqlen_q + i) * heads_q + h) * dim_v + d] = round(sums[d]);
        result.lse[(b * heads_q + h) * seqlen_q + i] = row_max + std::log(row_sum);
      }
    }
  }
  return result;
}

}  // namespace

OracleResult reference_attention(const HostTensor& q,
                                 const HostTensor& k,
                                 const HostTensor& v,
                                 const OracleOptions& options) {
  return attention<double>(q, k, v, options, [](double value) { return value; });
}

OracleResult low_precision_attention(const HostTensor& q,
                                     const HostTensor& k,
                                     const HostTensor& v,
                                     const OracleOptions& options) {
  const Scalar scalar = q.scalar();
  return attention<float>(q, k, v, options, [scalar](float value) {
    return scalar == Scalar::kFp32 ? value : static_cast<float>(round_to(scalar, value));
  });
}

}  // namespace flashjit::test
