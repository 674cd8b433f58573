#include "variant_source.h"

#include <fmt/format.h>

#include <array>
#include <span>

#include "kernel_src/variant_plan.h"

namespace flashjit {
namespace {

const char* source_of(Dtype dtype) {
  constexpr std::array kNames = {"Dtype::kFp16", "Dtype::kBf16", "Dtype::kFp32"};
  return kNames.at(static_cast<std::size_t>(dtype));
}
const char* source_of(MaskKind mask) {
  constexpr std::array kNames = {"MaskKind::kNone", "MaskKind::kCausal"};
  return kNames.at(static_cast<std::size_t>(mask));
}
const char* source_of(Family family) {
  constexpr std::array kNames = {
      "Family::kStandard", "Family::kSimt", "Family::kSm80", "Family::kSm90"};
  return kNames.at(static_cast<std::size_t>(family));
}
const char* source_of(Schedule schedule) {
  constexpr std::array kNames = {"Schedule::kOneTile", "Schedule::kStatic", "Schedule::kDynamic"};
  return kNames.at(static_cast<std::size_t>(schedule));
}
const char* source_of(Rescale rescale) {
  constexpr std::array kNames = {"Rescale::kEager", "Rescale::kLazy", "Rescale::kOptimistic"};
  return kNames.at(static_cast<std::size_t>(rescale));
}
const char* source_of(Epilogue epilogue) {
  constexpr std::array kNames = {"Epilogue::kDirect", "Epilogue::kThroughQ", "Epilogue::kStaged"};
  return kNames.at(static_cast<std::size_t>(epilogue));
}

std::string source_of(const Problem& problem) {
  return fmt::format(
      "{{.dtype = {},\n"
      "                .head_dim_qk = {},\n"
      "                .head_dim_v = {},\n"
      "                .mask = {},\n"
      "                .return_lse = {}}}",
      source_of(problem.dtype),
      problem.head_dim_qk,
      problem.head_dim_v,
      source_of(problem.mask),
      problem.return_lse);
}

std::string source_of(const Tiling& tiling) {
  return fmt::format(
      "{{.family = {},\n"
      "               .block_m = {},\n"
      "               .block_n = {},\n"
      "               .num_stages = {},\n"
      "               .num_q_stages = {},\n"
      "               .num_warps = {},\n"
      "               .overlap = {},\n"
      "               .ping_pong = {},\n"
      "               .skip_masked = {},\n"
      "               .row_sum_by_mma = {},\n"
      "               .probs_in_smem = {},\n"
      "               .cluster_size = {},\n"
      "               .schedule = {},\n"
      "               .rescale = {},\n"
      "               .epilogue = {},\n"
      "               .producer_regs = {},\n"
      "               .consumer_regs = {}}}",
      source_of(tiling.family),
      tiling.block_m,
      tiling.block_n,
      tiling.num_stages,
      tiling.num_q_stages,
      tiling.num_warps,
      tiling.overlap,
      tiling.ping_pong,
      tiling.skip_masked,
      tiling.row_sum_by_mma,
      tiling.probs_in_smem,
      tiling.cluster_size,
      source_of(tiling.schedule),
      source_of(tiling.rescale),
      source_of(tiling.epilogue),
      tiling.producer_regs,
      tiling.consumer_regs);
}

struct KernelText {
  const char* suffix;    // of the extern "C" name
  const char* function;  // device function template over the config
};
constexpr std::array kStandardKernels = {KernelText{"_1_scores", "standard_scores"},
                                         KernelText{"_2_mask", "standard_mask"},
                                         KernelText{"_3_row_max", "standard_row_max"},
                                         KernelText{"_4_exponentials", "standard_exponentials"},
                                         KernelText{"_5_normalize", "standard_normalize"},
                                         KernelText{"_6_output", "standard_output"}};
constexpr std::array kSimtKernels = {KernelText{"", "fwd_simt"}};
constexpr std::array kSm80Kernels = {KernelText{"", "fwd_sm80"}};
constexpr std::array kSm90Kernels = {KernelText{"", "fwd_sm90"}};

// What a generated file needs to know of a family.
struct FamilyText {
  const char* includes;
  const char* params;
  std::span<const KernelText> kernels;
};

FamilyText family_text(Family family) {
  switch (family) {
    case Family::kStandard:
      return {"#include \"standard/kernels.cuh\"\n", "FwdParams", kStandardKernels};
    case Family::kSimt:
      return {"#include \"simt/fwd_kernel.cuh\"\n", "FwdParams", kSimtKernels};
    case Family::kSm80:
      return {"#include \"sm80/fwd_kernel.cuh\"\n", "FwdParams", kSm80Kernels};
    case Family::kSm90:
      // The multiplies come first: the mainloop calls them.
      return {"#include \"ptx/wgmma_ops.h\"\n#include \"sm90/fwd_kernel.cuh\"\n",
              "Sm90FwdParams",
              kSm90Kernels};
  }
  return {};
}

}  // namespace

std::string to_source(const KernelConfig& config) {
  return fmt::format(
      "{{\n"
      "    .problem = {},\n"
      "    .tiling = {},\n"
      "    .arch = {{.major = {}, .minor = {}, .specific = {}}},\n"
      "{}"
      "}}",
      source_of(config.problem),
      source_of(config.tiling),
      config.arch.major,
      config.arch.minor,
      config.arch.specific,
      config.profile ? "    .profile = true,\n" : "");
}

std::vector<std::string> kernel_names(const KernelConfig& config) {
  std::vector<std::string> names;
  for (const KernelText& kernel : family_text(config.tiling.family).kernels) {
    names.push_back(variant_name(config) + kernel.suffix);
  }
  return names;
}

std::string variant_source(const KernelConfig& config) {
  const FamilyText family = family_text(config.tiling.family);
  const std::string name = variant_name(config);
  std::string text = fmt::format(
      "// {} — generated by flashjit; edit and recompile freely\n"
      "{}\n"
      "using namespace flashjit;\n\n"
      "constexpr KernelConfig kConfig = {};\n"
      "static_assert(smem_bytes(kConfig) == {});\n",
      name,
      family.includes,
      to_source(config),
      smem_bytes(config));
  const std::string cluster = config.tiling.cluster_size > 1
                                  ? fmt::format("__cluster_dims__({}) ", config.tiling.cluster_size)
                                  : "";
  for (const KernelText& kernel : family.kernels) {
    text += fmt::format(
        "\nextern \"C\" __global__ void {}__launch_bounds__(num_threads(kConfig), "
        "min_ctas_per_sm(kConfig))\n"
        "{}{}(const __grid_constant__ {} params) {{\n"
        "  {}<kConfig>(params);\n"
        "}}\n",
        cluster,
        name,
        kernel.suffix,
        family.params,
        kernel.function);
  }
  return text;
}

std::vector<std::string> compile_options(const KernelConfig& config) {
  // Functions without an execution space are device functions: what the host shares with the
  // kernels (plans, enums) carries no __device__.
  return {"--gpu-architecture=" + arch_name(config.arch),
          "--std=c++20",
          "--device-as-default-execution-space"};
}

}  // namespace flashjit
