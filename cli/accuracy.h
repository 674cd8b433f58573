// Judges an output of attention as semantics demand: against a reference, with a bound that a naive
// computation in the tensors' own dtype sets. Slow and plain, for the small problems of the demo.
#pragma once

#include <cstddef>
#include <vector>

#include "cli/attention_problem.h"

namespace flashjit::cli {

// softmax(Q·Kᵀ/√head_dim) V in fp64.
std::vector<double> exact_attention(const AttentionProblem& problem,
                                    const void* q,
                                    const void* k,
                                    const void* v);
// The same naively in the tensors' dtype: fp32 sums; scores, probabilities and output rounded.
// `low` of the rule.
std::vector<double> low_precision_attention(const AttentionProblem& problem,
                                            const void* q,
                                            const void* k,
                                            const void* v);

// What rounding may cost: max|out − ref| ≤ 2·max|low − exact| + 2·max|(exact + 0.3 − 0.3) − exact|
// and mean|out − ref| ≤ 1.5·mean|low − exact|.
struct Bounds {
  double max = 0, mean = 0;
};
Bounds rounding_bounds(Dtype dtype,
                       const std::vector<double>& exact,
                       const std::vector<double>& low);

struct Accuracy {
  double max_error = 0, max_bound = 0;
  double mean_error = 0, mean_bound = 0;

  bool good() const { return max_error <= max_bound && mean_error <= mean_bound; }
};

// `out` holds elements of `dtype`. A NaN in it is an infinite error.
Accuracy judge(const void* out,
               Dtype dtype,
               const std::vector<double>& reference,
               const Bounds& bounds);

}  // namespace flashjit::cli
