// The list of attention problems that every backend must solve: the same for the CPU, the emulator
// and GPUs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/host_tensor.h"

namespace flashjit::test {

enum class Inputs {
  kNormal,    // standard normal
  kOutliers,  // one entry in 64 times 10
  kLarge,     // times 8: the softmax is nearly one-hot
  // All scores but those of a third of the keys are −inf, by infinities in K: a row has seen whole
  // blocks before its first finite score. Causal: the first third, which every row sees where there
  // are 1.5 times as many keys as queries.
  kInfiniteKeys,
};

struct AttentionCase {
  Scalar scalar = Scalar::kBf16;
  std::int64_t batch = 1, seqlen_q = 64, seqlen_kv = 64, heads_q = 1, heads_kv = 1;
  std::int64_t head_dim_qk = 64, head_dim_v = 64;
  bool causal = false;
  bool top_left = false;
  std::optional<float> scale = {};
  bool lse = true;
  Layout layout = Layout::kBshd;
  Inputs inputs = Inputs::kNormal;
};

// "bf16 b1 q64 kv64 h1/1 d64/64 causal …": unique in a list, and all that differs is in it.
std::string name_of(const AttentionCase& test_case);

// kSmoke: a dozen, each below 2 M multiplications, for slow backends. kNormal: every rule and pair
// of neighbours, seconds on a CPU. kFull: the grid of dtypes, masks, head dims 8 … 256 in steps of
// 8, uneven seqlens and group sizes.
enum class Level { kSmoke, kNormal, kFull };
std::vector<AttentionCase> attention_cases(Level level);

// FLASHJIT_TEST_SEED if set, else a fresh one for each call; tests print it when they fail.
std::uint64_t fresh_seed();

// The inputs of a case, drawn from `seed` and rounded to the dtype.
struct CaseInputs {
  HostTensor q, k, v;
};
CaseInputs make_inputs(const AttentionCase& test_case, std::uint64_t seed);

}  // namespace flashjit::test
