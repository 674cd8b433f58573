// `flashjit list`: which variants exist for an architecture. Works without a GPU.
#include <fmt/format.h>
#include <memory>
#include "variant_name.h"

#include "cli/program.h"
#include "cli/toolchain.h"
#include "cli/variants.h"
#include "kernel_src/variant_plan.h"

namespace flashjit::cli {
namespace {

struct ListOptions {
  std::string arch;
  std::vector<std::string> families, dtypes;
  std::vector<int> head_dims;
  bool causal = false, full = false, all = false;
};

VariantFilter make_filter(const ListOptions& options) {
  VariantFilter filter;
  for (const std::string& text : options.families) filter.families.push_back(*parse_family(text));
  for (const std::string& text : options.dtypes) filter.dtypes.push_back(*parse_dtype(text));
  filter.head_dims = options.head_dims;
  if (options.causal != options.full) filter.causal = options.causal;
  return filter;
}

int run_list(const ListOptions& options, Report& report) {
  const Arch arch = require_arch(options.arch);
  Toolchain toolchain;
  toolchain.cache().read_manifests();  // warns of a wrong FLASHJIT_BUNDLES
  Table legal({{"variant", "variant"},
               {"tiling", "tile"},
               {"threads", "threads"},
               {"smem_bytes", "smem B"},
               {"legal", ""},
               {"cached", "cached"}});
  Table illegal({{"problem", "problem"}, {"legal", ""}, {"why_not", "why not"}});
  for (const ListedVariant& listed : list_variants(arch, make_filter(options))) {
    if (listed.config) {
      const KernelConfig& config = *listed.config;
      const std::optional<bool> cached = toolchain.is_cached(config);
      legal.row({variant_name(config),
                 tiling_text(config.tiling),
                 num_threads(config),
                 smem_bytes(config),
                 true,
                 cached ? Json(*cached) : Json()});
    } else {
      const Problem& problem = listed.problem;
      illegal.row({fmt::format("fwd_{}_{}_d{}{}",
                               to_string(listed.family),
                               to_string(problem.dtype),
                               problem.head_dim_qk,
                               problem.mask == MaskKind::kCausal ? "_causal" : ""),
                   false,
                   listed.why_not});
    }
  }
  report.value("arch", arch_name(arch));
  report.table(
      "variants", "Variants for " + arch_name(arch) + ", default tiling of each family", legal);
  if (options.all) {
    report.table("not_legal", "Not legal", illegal);
  } else if (!illegal.empty()) {
    report.note(
        illegal.size() == 1
            ? "1 problem has no legal tiling in its family; --all shows it."
            : fmt::format("{} problems have no legal tiling in one family; --all shows them.",
                          illegal.size()));
  }
  if (const std::string left_out = arch_note(arch); !left_out.empty()) report.note(left_out);
  if (toolchain.compiler() == nullptr) {
    report.note("Cached: not known, as keys name the compiler: " + toolchain.compiler_error());
  }
  return kExitOk;
}

}  // namespace

void add_list(Program& program) {
  auto options = std::make_shared<ListOptions>();
  CLI::App& command = add_command(program,
                                  "list",
                                  "Variants of an architecture: tile, shared memory, cached or not",
                                  [options](Report& report) { return run_list(*options, report); });
  command.add_option(
      "--arch", options->arch, "sm_80, sm_90a, …; default: this device, else sm_90a");
  command.add_option("--family", options->families, "standard, simt, sm80, sm90")
      ->check(CLI::IsMember({"standard", "simt", "sm80", "sm90"}));
  command.add_option("--dtype", options->dtypes, "fp16, bf16, fp32")
      ->check(CLI::IsMember({"fp16", "bf16", "fp32"}));
  command
      .add_option("--head-dim", options->head_dims, "multiples of 8 up to 256; default 64 128 256")
      ->check(CLI::Range(8, 256));
  command.add_flag("--causal", options->causal, "Only causal");
  command.add_flag("--full", options->full, "Only without a mask");
  command.add_flag("--all", options->all, "Also what is not legal, with the reason");
}

}  // namespace flashjit::cli
