// Naive attention in double, one row at a time: the judge of every backend. Shares no text with
// the library or its kernels; of the library it knows not even the headers.
#pragma once

#include <optional>
#include <vector>

#include "support/host_tensor.h"

namespace flashjit::test {

struct OracleOptions {
  bool causal = false;
  bool top_left = false;  // else bottom-right: the last query row sees the last key
  std::optional<double> scale = {};
};

// Dense [batch, seqlen_q, heads_q, head_dim_v] and [batch, heads_q, seqlen_q].
struct OracleResult {
  std::vector<double> o, lse;
};

// Exact up to double rounding.
OracleResult reference_attention(const HostTensor& q,
                                 const HostTensor& k,
                                 const HostTensor& v,
                                 const OracleOptions& options);

// The same maths as a framework without a fused kernel does it: fp32 sums, while scores,
// probabilities and the result are rounded to the input's dtype. Its error is the yardstick.
OracleResult low_precision_attention(const HostTensor& q,
                                     const HostTensor& k,
                                     const HostTensor& v,
                                     const OracleOptions& options);

}  // namespace flashjit::test
