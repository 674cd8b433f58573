#include "wgmma_source.h"

#include <fmt/format.h>

#include <string_view>

#include "kernel_src/sm90/plan.h"

namespace flashjit {
namespace {

// One wgmma shape: D[64 x n], A from shared memory ("ss") or registers ("rs").
struct WgmmaOp {
  bool a_in_registers;
  bool trans_b;
  bool accumulate;
  int n;
};

// "{%first, …}", `count` operands.
std::string operand_list(int first, int count) {
  std::string text = "{";
  for (int i = 0; i < count; ++i) text += fmt::format("{}%{}", i > 0 ? ", " : "", first + i);
  return text + "}";
}

// PTX ISA 9.7.15.5.2: wgmma.mma_async. scale-d is a predicate; a false one makes D write-only,
// which the constraint "=f" tells the compiler, so that nothing has to initialise it.
std::string op_source(const WgmmaOp& op, Dtype dtype) {
  const int registers = op.n / 2;
  const int num_a = op.a_in_registers ? 4 : 1;
  std::string outputs;
  for (int i = 0; i < registers; ++i)
    outputs += fmt::format("{}\"{}f\"(d[{}])", i > 0 ? ", " : "", op.accumulate ? '+' : '=', i);
  const std::string a =
      op.a_in_registers ? operand_list(registers, 4) : fmt::format("%{}", registers);
  const std::string_view type = dtype == Dtype::kBf16 ? "bf16" : "f16";
  return fmt::format(
      R"(template <Dtype kDtype, bool kTransB, bool kAccumulate>
  requires(kDtype == Dtype::{dtype} && kTransB == {trans} && kAccumulate == {accumulate})
__device__ __forceinline__ void {name}(float (&d)[{registers}], {a_parameter}, u64 desc_b) {{
  asm volatile(
      "{{\n.reg .pred p;\nsetp.ne.b32 p, {scale_d}, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n{n}k16.f32.{type}.{type} {d}, {a}, %{b}, "
      "p, 1, 1{trans_a}, {trans_b};\n}}\n"
      : {outputs}
      : {a_inputs}, "l"(desc_b)
      : "memory");
}}
)",
      fmt::arg("dtype", dtype == Dtype::kBf16 ? "kBf16" : "kFp16"),
      fmt::arg("trans", op.trans_b),
      fmt::arg("accumulate", op.accumulate),
      fmt::arg("name", op.a_in_registers ? "wgmma_rs" : "wgmma_ss"),
      fmt::arg("registers", registers),
      fmt::arg("a_parameter", op.a_in_registers ? "const u32 (&a)[4]" : "u64 desc_a"),
      fmt::arg("scale_d", op.accumulate ? 1 : 0),
      fmt::arg("n", op.n),
      fmt::arg("type", type),
      fmt::arg("d", operand_list(0, registers)),
      fmt::arg("a", a),
      fmt::arg("b", registers + num_a),
      fmt::arg("trans_a", op.a_in_registers ? "" : ", 0"),
      fmt::arg("trans_b", op.trans_b ? 1 : 0),
      fmt::arg("outputs", outputs),
      fmt::arg(
          "a_inputs",
          op.a_in_registers ? R"("r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]))" : R"("l"(desc_a))"));
}

}  // namespace

std::string wgmma_ops_header(const KernelConfig& config) {
  if (config.tiling.family != Family::kSm90) return "";
  const int scores = config.tiling.block_n;
  const int output = sm90_output_columns(config);
  std::string text =
      "// The wgmma shapes of one variant; generated.\n#pragma once\n#include \"types.h\"\n\n"
      "namespace flashjit::ptx {\n\n";
  const WgmmaOp ops[] = {
      {.a_in_registers = false, .trans_b = false, .accumulate = false, .n = scores},
      {.a_in_registers = false, .trans_b = false, .accumulate = true, .n = scores},
      {.a_in_registers = true, .trans_b = true, .accumulate = true, .n = output},
  };
  for (const WgmmaOp& op : ops) text += op_source(op, config.problem.dtype) + "\n";
  return text + "}  // namespace flashjit::ptx\n";
}

}  // namespace flashjit
