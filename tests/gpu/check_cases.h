// Many cases on the GPU at once: the oracle and the first compilation of a variant take most of the
// time, so threads share the cases; that many threads use one Runtime is a test as well.
#pragma once

#include <string>
#include <vector>

#include "flashjit/runtime.h"
#include "support/attention_case.h"

namespace flashjit::test {

// The CUDA backend with a cache of its own.
Options gpu_options();

struct RuntimeCase {
  Runtime* runtime;
  AttentionCase test_case;
  std::string name = {};  // put before the message of a failure
  bool special = false;   // a NaN in K, a NaN and an infinity in V
};

struct Tally {
  int run = 0, not_supported = 0;
  std::vector<std::string> failures;
};

// Every case with fresh inputs. One that its runtime does not support is counted, everything else
// that is not right is a failure.
Tally check_cases(const std::vector<RuntimeCase>& cases, unsigned num_threads);

// Fails the running test for each failure, and if nothing was run.
void require_all_right(const Tally& tally);

}  // namespace flashjit::test
