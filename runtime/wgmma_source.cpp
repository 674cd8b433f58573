#include "wgmma_source.h"

#include <fmt/format.h>

#include <string_view>

#include "kernel_src/sm90/plan.h"

namespace flashjit {
namespace {

// One product: D[64 x n], A from shared memory ("ss") or registers ("rs"), of `steps` wgmma.
struct WgmmaProduct {
  bool a_in_registers;
  bool accumulates;  // D is added to
  bool trans_b;
  int n;
  int steps;
};

// "{%first, …}", `count` operands.
std::string operand_list(int first, int count) {
  std::string text = "{";
  for (int i = 0; i < count; ++i) text += fmt::format("{}%{}", i > 0 ? ", " : "", first + i);
  return text + "}";
}

// Operands in the order of their constraints: D, A, descriptor of B, what step 1 … adds to the
// descriptors.
struct OperandNumbers {
  explicit OperandNumbers(const WgmmaProduct& product)
      : registers(product.n / 2),
        a(registers),
        b(a + (product.a_in_registers ? 4 * product.steps : 1)),
        offset(b + 1) {}
  int registers, a, b, offset;
};

// PTX ISA 9.7.15.5.2: wgmma.mma_async. scale-d is a predicate; a false one makes D write-only,
// which the constraint "=f" tells the compiler, so that nothing has to initialise it.
std::string step_source(const WgmmaProduct& product, std::string_view type, int step) {
  const OperandNumbers number(product);
  const int offset = number.offset + (step - 1) * (product.a_in_registers ? 1 : 2);
  std::string text, a = fmt::format("%{}", number.a), b = fmt::format("%{}", number.b);
  if (product.a_in_registers) a = operand_list(number.a + 4 * step, 4);
  if (step > 0) {
    if (!product.a_in_registers) {
      text += fmt::format("      \"add.u64 a, {}, %{};\\n\"\n", a, offset + 1);
      a = "a";
    }
    text += fmt::format("      \"add.u64 b, {}, %{};\\n\"\n", b, offset);
    b = "b";
  }
  return text + fmt::format(
                    "      \"wgmma.mma_async.sync.aligned.m64n{}k16.f32.{}.{} {}, {}, {}, "
                    "{}, 1, 1{}, {};\\n\"\n",
                    product.n,
                    type,
                    type,
                    operand_list(0, number.registers),
                    a,
                    b,
                    step > 0 || product.accumulates ? "yes" : "no",
                    product.a_in_registers ? "" : ", 0",
                    product.trans_b ? 1 : 0);
}

std::string product_source(const WgmmaProduct& product, Dtype dtype) {
  const bool rs = product.a_in_registers;
  const int registers = OperandNumbers(product).registers;
  std::string outputs, inputs, steps;
  for (int i = 0; i < registers; ++i)
    outputs +=
        fmt::format("{}\"{}f\"(d[{}])", i > 0 ? ", " : "", product.accumulates ? '+' : '=', i);
  for (int i = 0; rs && i < 4 * product.steps; ++i)
    inputs += fmt::format("\"r\"(a[{}][{}]), ", i / 4, i % 4);
  inputs += rs ? "\"l\"(desc_b)" : "\"l\"(desc_a), \"l\"(desc_b)";
  for (int i = 1; i < product.steps; ++i) {
    inputs += fmt::format(", \"n\"(Steps::b({}))", i);
    if (!rs) inputs += fmt::format(", \"n\"(Steps::a({}))", i);
  }
  for (int i = 0; i < product.steps; ++i)
    steps += step_source(product, dtype == Dtype::kBf16 ? "bf16" : "f16", i);
  return fmt::format(
      R"(template <Dtype kDtype, bool kTransB, bool kAccumulate, class Steps>
  requires(kDtype == Dtype::{dtype} && kTransB == {trans} && kAccumulate == {accumulate} && Steps::kCount == {count})
__device__ __forceinline__ void {name}(float (&d)[{registers}], {a_parameter}, u64 desc_b) {{
  asm volatile(
      "{{\n.reg .pred no, yes;\n.reg .b64 a, b;\nsetp.ne.b32 no, 0, 0;\nsetp.ne.b32 yes, 1, 0;\n"
{steps}      "}}\n"
      : {outputs}
      : {inputs}
      : "memory");
}}
)",
      fmt::arg("dtype", dtype == Dtype::kBf16 ? "kBf16" : "kFp16"),
      fmt::arg("trans", product.trans_b),
      fmt::arg("accumulate", product.accumulates),
      fmt::arg("count", product.steps),
      fmt::arg("name", rs ? "wgmma_rs" : "wgmma_ss"),
      fmt::arg("registers", registers),
      fmt::arg("a_parameter",
               rs ? fmt::format("const u32 (&a)[{}][4]", product.steps) : "u64 desc_a"),
      fmt::arg("steps", steps),
      fmt::arg("outputs", outputs),
      fmt::arg("inputs", inputs));
}

}  // namespace

std::string wgmma_ops_header(const KernelConfig& config) {
  if (config.tiling.family != Family::kSm90) return "";
  std::string text =
      "// The wgmma products of one variant; generated.\n#pragma once\n#include \"types.h\"\n\n"
      "namespace flashjit::ptx {\n\n";
  const WgmmaProduct products[] = {
      {.a_in_registers = false,
       .accumulates = false,
       .trans_b = false,
       .n = config.tiling.block_n,
       .steps = ceil_div(config.problem.head_dim_qk, 16)},
      {.a_in_registers = !config.tiling.probs_in_smem,
       .accumulates = true,
       .trans_b = true,
       .n = sm90_output_columns(config),
       .steps = config.tiling.block_n / 16},
  };
  for (const WgmmaProduct& product : products)
    text += product_source(product, config.problem.dtype) + "\n";
  return text + "}  // namespace flashjit::ptx\n";
}

}  // namespace flashjit
