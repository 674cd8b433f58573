// The rule by which a result is judged (docs: "How correctness is judged"): its error against the
// exact reference may be a small multiple of the error that the input's dtype costs anyway.
#pragma once

#include <string>
#include <vector>

#include "support/oracle.h"

namespace flashjit::test {

struct Verdict {
  bool ok = true;
  std::string message;  // the numbers, whether ok or not
};

// max|out − ref| ≤ max_factor · max|low − ref| + 2 · max|(ref + 0.3 − 0.3) − ref|, the sum with 0.3
// rounded to the dtype, and mean|out − ref| ≤ mean_factor · mean|low − ref|. Infinities and NaN
// must stand where the reference has them. Where `ref` is not finite, only that is compared.
Verdict judge_output(Scalar scalar,
                     const std::vector<double>& out,
                     const std::vector<double>& ref,
                     const std::vector<double>& low,
                     double max_factor = 2,
                     double mean_factor = 1.5);

// Absolute 1e-3 for 16-bit inputs, 1e-5 for fp32, plus what fp32 can tell apart at the size of the
// largest LSE. −inf must stand exactly where the reference has it.
Verdict judge_lse(Scalar scalar, const std::vector<double>& lse, const std::vector<double>& ref);

}  // namespace flashjit::test
