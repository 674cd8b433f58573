#include "support/attention_case.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

namespace flashjit::test {
namespace {

constexpr Scalar kScalars[] = {Scalar::kFp16, Scalar::kBf16, Scalar::kFp32};

// One case for each rule of the contract, small enough for an emulator.
std::vector<AttentionCase> rule_cases(Scalar scalar) {
  const AttentionCase base{.scalar = scalar};
  std::vector<AttentionCase> cases;
  const auto add = [&](auto change) { change(cases.emplace_back(base)); };
  add([](AttentionCase& c) { c.seqlen_q = c.seqlen_kv = 1; });
  add([](AttentionCase& c) { c.seqlen_q = 3, c.seqlen_kv = 113; });
  add([](AttentionCase& c) { c.seqlen_q = 113, c.seqlen_kv = 65, c.causal = true; });
  add([](AttentionCase& c) { c.seqlen_q = 65, c.seqlen_kv = 113, c.causal = true; });
  add([](AttentionCase& c) { c.seqlen_q = 65, c.seqlen_kv = 113, c.causal = c.top_left = true; });
  add([](AttentionCase& c) { c.seqlen_q = 113, c.seqlen_kv = 33, c.causal = c.top_left = true; });
  add([](AttentionCase& c) { c.seqlen_kv = 0; });
  add([](AttentionCase& c) { c.seqlen_kv = 0, c.causal = true; });
  add([](AttentionCase& c) { c.seqlen_q = 0; });
  add([](AttentionCase& c) { c.batch = 0; });
  add([](AttentionCase& c) { c.batch = 2, c.heads_q = 3, c.heads_kv = 1, c.causal = true; });
  add([](AttentionCase& c) { c.heads_q = 8, c.heads_kv = 2, c.seqlen_q = 1, c.lse = false; });
  add([](AttentionCase& c) { c.head_dim_qk = 24, c.head_dim_v = 40; });
  add([](AttentionCase& c) { c.head_dim_qk = 72, c.head_dim_v = 8, c.layout = Layout::kBhsd; });
  add([](AttentionCase& c) { c.scale = -0.2f, c.causal = true; });
  add([](AttentionCase& c) { c.scale = 0.0f, c.causal = true; });
  add([](AttentionCase& c) { c.scale = 1.0f, c.head_dim_qk = c.head_dim_v = 16; });
  add([](AttentionCase& c) { c.layout = Layout::kFused, c.heads_q = c.heads_kv = 2, c.batch = 2; });
  add([](AttentionCase& c) { c.layout = Layout::kPadded, c.heads_q = 2, c.batch = 2; });
  add([](AttentionCase& c) { c.inputs = Inputs::kOutliers, c.seqlen_kv = 129; });
  add([](AttentionCase& c) { c.inputs = Inputs::kLarge, c.seqlen_kv = 129; });
  for (const bool causal : {false, true}) {
    add([=](AttentionCase& c) {
      c.inputs = Inputs::kInfiniteKeys, c.seqlen_q = 17, c.seqlen_kv = 641, c.causal = causal;
    });
  }
  return cases;
}

std::vector<AttentionCase> head_dim_cases(Scalar scalar, int step) {
  std::vector<AttentionCase> cases;
  for (int dim = 8; dim <= 256; dim += step) {
    cases.push_back({.scalar = scalar,
                     .seqlen_q = 67,
                     .seqlen_kv = 131,
                     .heads_q = 2,
                     .head_dim_qk = dim,
                     .head_dim_v = dim,
                     .causal = dim / 8 % 2 == 0});
  }
  return cases;
}

std::vector<AttentionCase> shape_cases(Scalar scalar, const std::vector<int>& seqlens) {
  std::vector<AttentionCase> cases;
  for (const int seqlen_q : seqlens)
    for (const int seqlen_kv : seqlens)
      for (const int group : {1, 3, 8})
        for (const bool causal : {false, true})
          cases.push_back({.scalar = scalar,
                           .batch = group == 8 ? 1 : 2,
                           .seqlen_q = seqlen_q,
                           .seqlen_kv = seqlen_kv,
                           .heads_q = group,
                           .heads_kv = 1,
                           .head_dim_qk = group == 3 ? 128 : 64,
                           .head_dim_v = group == 3 ? 128 : 64,
                           .causal = causal});
  return cases;
}

// Every query has a positive first element; a key's is −inf except in one third of them.
void plant_infinite_keys(HostTensor& q, HostTensor& k, bool causal) {
  const auto [batch, seqlen_q, heads_q, dim] = q.shape();
  const auto [kv_batch, seqlen_kv, heads_kv, kv_dim] = k.shape();
  const std::int64_t third = (seqlen_kv + 2) / 3, first = causal ? 0 : third;
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t i = 0; i < seqlen_q; ++i)
      for (std::int64_t h = 0; h < heads_q; ++h)
        q.set(b, i, h, 0, 0.25 + std::abs(q.get(b, i, h, 0)));
    for (std::int64_t j = 0; j < seqlen_kv; ++j)
      for (std::int64_t h = 0; h < heads_kv; ++h)
        if (j < first || j >= first + third)
          k.set(b, j, h, 0, -std::numeric_limits<double>::infinity());
  }
}

void append(std::vector<AttentionCase>& cases, const std::vector<AttentionCase>& more) {
  cases.insert(cases.end(), more.begin(), more.end());
}

HostTensor random_tensor(Scalar scalar,
                         const std::array<std::int64_t, 4>& shape,
                         Layout layout,
                         Inputs inputs,
                         std::mt19937_64& random) {
  HostTensor tensor(scalar, shape, layout);
  std::normal_distribution<double> normal;
  std::uniform_int_distribution<int> pick(0, 63);
  for (std::int64_t b = 0; b < shape[0]; ++b)
    for (std::int64_t s = 0; s < shape[1]; ++s)
      for (std::int64_t h = 0; h < shape[2]; ++h)
        for (std::int64_t d = 0; d < shape[3]; ++d) {
          double value = normal(random);
          if (inputs == Inputs::kLarge) value *= 8;
          if (inputs == Inputs::kOutliers && pick(random) == 0) value *= 10;
          tensor.set(b, s, h, d, value);
        }
  return tensor;
}

}  // namespace

std::string name_of(const AttentionCase& c) {
  std::string name = name_of(c.scalar);
  const auto add = [&](const std::string& part) { name += " " + part; };
  add("b" + std::to_string(c.batch));
  add("q" + std::to_string(c.seqlen_q));
  add("kv" + std::to_string(c.seqlen_kv));
  add("h" + std::to_string(c.heads_q) + "/" + std::to_string(c.heads_kv));
  add("d" + std::to_string(c.head_dim_qk) + "/" + std::to_string(c.head_dim_v));
  if (c.causal) add(c.top_left ? "causal top-left" : "causal");
  if (c.scale) add("scale " + std::to_string(*c.scale));
  if (!c.lse) add("no lse");
  add(name_of(c.layout));
  if (c.inputs == Inputs::kOutliers) add("outliers");
  if (c.inputs == Inputs::kLarge) add("large");
  if (c.inputs == Inputs::kInfiniteKeys) add("infinite keys");
  return name;
}

std::vector<AttentionCase> attention_cases(Level level) {
  std::vector<AttentionCase> cases;
  if (level == Level::kSmoke) {
    for (AttentionCase test_case : rule_cases(Scalar::kBf16)) {
      // The dtypes take turns.
      test_case.scalar = kScalars[cases.size() % 3];
      cases.push_back(test_case);
    }
    return cases;
  }
  for (const Scalar scalar : kScalars) {
    append(cases, rule_cases(scalar));
    append(cases, head_dim_cases(scalar, level == Level::kFull ? 8 : 56));
    append(cases,
           shape_cases(scalar,
                       level == Level::kFull ? std::vector{1, 3, 113, 257, 1023}
                                             : std::vector{1, 113, 200}));
  }
  return cases;
}

std::uint64_t fresh_seed() {
  if (const char* seed = std::getenv("FLASHJIT_TEST_SEED")) return std::strtoull(seed, nullptr, 0);
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

CaseInputs make_inputs(const AttentionCase& c, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto make = [&](std::int64_t seqlen, std::int64_t heads, std::int64_t dim) {
    return random_tensor(c.scalar, {c.batch, seqlen, heads, dim}, c.layout, c.inputs, random);
  };
  HostTensor q = make(c.seqlen_q, c.heads_q, c.head_dim_qk);
  HostTensor k = make(c.seqlen_kv, c.heads_kv, c.head_dim_qk);
  HostTensor v = make(c.seqlen_kv, c.heads_kv, c.head_dim_v);
  if (c.inputs == Inputs::kInfiniteKeys) plant_infinite_keys(q, k, c.causal);
  return {std::move(q), std::move(k), std::move(v)};
}

}  // namespace flashjit::test
