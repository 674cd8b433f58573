#include "cpu/cpu_backend.h"

#include <limits>
#include <memory>
#include <thread>

#include "support/catch.h"
#include "support/check_attention.h"

namespace flashjit::test {
namespace {

HostDevice cpu_device(int num_threads, cpu::Implementation implementation) {
  auto backend = std::make_shared<cpu::CpuBackend>(num_threads, implementation);
  return HostDevice(
      [backend](const AttentionArgs& args) { backend->forward(args, validate(args)); });
}

void require(const Verdict& verdict) {
  INFO(verdict.message);
  REQUIRE(verdict.ok);
}

// A case whose key 5 of `keys` holds a NaN or an infinity in V.
CaseInputs with_special_value(const AttentionCase& c, double special) {
  CaseInputs inputs = make_inputs(c, fresh_seed());
  inputs.v.set(0, 5, 0, 3, special);
  return inputs;
}

}  // namespace

TEST_CASE("the CPU backend computes attention") {
  HostDevice device = cpu_device(0, cpu::best_block_attention());
  for (const AttentionCase& c : attention_cases(Level::kNormal))
    require(check_attention(device, c, fresh_seed()));
}

TEST_CASE("every instruction set of the CPU backend computes attention") {
  for (const cpu::Implementation& implementation : cpu::usable_block_attentions()) {
    INFO(implementation.name);
    HostDevice device = cpu_device(2, implementation);
    for (const AttentionCase& c : attention_cases(Level::kSmoke))
      require(check_attention(device, c, fresh_seed()));
  }
}

TEST_CASE("a NaN or an infinity reaches the rows that see it and no others") {
  for (const cpu::Implementation& implementation : cpu::usable_block_attentions()) {
    HostDevice device = cpu_device(1, implementation);
    for (const Scalar scalar : {Scalar::kFp16, Scalar::kBf16, Scalar::kFp32}) {
      const AttentionCase c{.scalar = scalar, .causal = true};
      const double infinity = std::numeric_limits<double>::infinity();
      const double nan = std::numeric_limits<double>::quiet_NaN();
      require(check_attention(device, c, with_special_value(c, infinity)));
      require(check_attention(device, c, with_special_value(c, -infinity)));
      require(check_attention(device, c, with_special_value(c, nan)));
      CaseInputs inputs = make_inputs(c, fresh_seed());
      // Late: of few rows the mean error would tell little.
      inputs.k.set(0, 47, 0, 3, nan);
      inputs.q.set(0, 2, 0, 0, nan);
      require(check_attention(device, c, std::move(inputs)));
    }
  }
}

TEST_CASE("results do not depend on the number of threads") {
  const AttentionCase c{.scalar = Scalar::kFp32, .batch = 2, .seqlen_q = 200, .heads_q = 3};
  CaseInputs inputs = make_inputs(c, fresh_seed());
  HostTensor one(c.scalar, {c.batch, c.seqlen_q, c.heads_q, c.head_dim_v}, c.layout);
  HostTensor many = one;
  const auto run = [&](int threads, HostTensor& o) {
    cpu::CpuBackend backend(threads);
    const AttentionArgs args = make_args(c, inputs.q, inputs.k, inputs.v, o, nullptr);
    backend.forward(args, validate(args));
  };
  run(1, one);
  run(5, many);
  for (std::int64_t s = 0; s < c.seqlen_q; ++s)
    for (std::int64_t d = 0; d < c.head_dim_v; ++d)
      REQUIRE(one.get(1, s, 2, d) == Approx(many.get(1, s, 2, d)).epsilon(1e-6));
}

TEST_CASE("broadcast inputs with stride 0 are read in place") {
  const AttentionCase c{.heads_q = 2, .heads_kv = 2};
  CaseInputs inputs = make_inputs(c, fresh_seed());
  HostTensor expected(c.scalar, {1, c.seqlen_q, 2, c.head_dim_v}, c.layout), o = expected;
  cpu::CpuBackend backend(1);
  AttentionArgs args = make_args(c, inputs.q, inputs.k, inputs.v, o, nullptr);
  args.k.strides[2] = args.v.strides[2] = 0;
  backend.forward(args, validate(args));
  for (std::int64_t s = 0; s < c.seqlen_kv; ++s)
    for (std::int64_t d = 0; d < c.head_dim_qk; ++d) {
      inputs.k.set(0, s, 1, d, inputs.k.get(0, s, 0, d));
      inputs.v.set(0, s, 1, d, inputs.v.get(0, s, 0, d));
    }
  args = make_args(c, inputs.q, inputs.k, inputs.v, expected, nullptr);
  backend.forward(args, validate(args));
  REQUIRE(o.bytes() == expected.bytes());
}

TEST_CASE("concurrent calls of one CPU backend do not disturb each other") {
  HostDevice device = cpu_device(2, cpu::best_block_attention());
  Verdict verdicts[4];
  std::vector<std::thread> threads;
  for (Verdict& verdict : verdicts)
    threads.emplace_back([&] {
      for (int i = 0; i < 8 && verdict.ok; ++i)
        verdict = check_attention(device, {.seqlen_q = 97, .causal = true}, fresh_seed());
    });
  for (std::thread& thread : threads) thread.join();
  for (const Verdict& verdict : verdicts) require(verdict);
}

TEST_CASE("the CPU backend names what it runs") {
  cpu::CpuBackend backend(1);
  const std::string name = backend.variant_name(
      {.dtype = Dtype::kBf16, .head_dim_qk = 192, .head_dim_v = 128, .mask = MaskKind::kCausal});
  REQUIRE_THAT(name, ContainsSubstring("fwd_cpu_"));
  REQUIRE_THAT(name, ContainsSubstring("_bf16_d192v128_causal"));
  REQUIRE(backend.device().name == "cpu");
}

}  // namespace flashjit::test
