// `flashjit inspect VARIANT`: what a variant is made of: resources, shared-memory plan, occupancy,
// and its text as source, PTX and SASS. Works without a GPU.
#include <fmt/format.h>
#include <memory>

#include "cli/disassembler.h"
#include "cli/occupancy.h"
#include "cli/program.h"
#include "cli/toolchain.h"
#include "cli/variants.h"
#include "kernel_registry.h"
#include "kernel_src/variant_plan.h"
#include "tuning_record.h"
#include "variant_source.h"

namespace flashjit::cli {
namespace {

struct InspectOptions {
  std::string variant, arch;
  bool source = false, ptx = false, sass = false, log = false, resources = false, plan = false;

  bool asks_for_a_part() const { return source || ptx || sass || log || resources || plan; }
  bool needs_compiler() const { return ptx || sass || log || resources; }
};

constexpr const char* kRegionNames[] = {"Q",
                                        "K",
                                        "V",
                                        "S (scores)",
                                        "P (probabilities)",
                                        "O (staging)",
                                        "ones",
                                        "mbarriers",
                                        "tiles",
                                        "next tile"};
static_assert(std::size(kRegionNames) == static_cast<std::size_t>(SmemRegion::kCount));

// The fields of the config as a tuning record has them.
Json config_json(const KernelConfig& config) {
  const Problem& p = config.problem;
  return {{"problem",
           {{"dtype", to_string(p.dtype)},
            {"head_dim_qk", p.head_dim_qk},
            {"head_dim_v", p.head_dim_v},
            {"causal", p.mask == MaskKind::kCausal},
            {"return_lse", p.return_lse}}},
          {"tiling", Json::parse(to_json(config.tiling))},
          {"arch", arch_name(config.arch)},
          {"profile", config.profile}};
}

void show_identity(const KernelConfig& config, Report& report) {
  const Problem& problem = config.problem;
  const Tiling& tiling = config.tiling;
  report.facts(
      "variant",
      variant_name(config),
      {{"name", "config", to_source(config), variant_name(config)},
       {"arch", "arch", arch_name(config.arch), arch_name(config.arch)},
       {"family", "family", to_string(tiling.family), to_string(tiling.family)},
       {"dtype", "dtype", to_string(problem.dtype), to_string(problem.dtype)},
       {"tile",
        "tile",
        fmt::format("{} query rows × {} keys, {} stage(s)",
                    tiling.block_m,
                    tiling.block_n,
                    tiling.num_stages),
        {{"block_m", tiling.block_m},
         {"block_n", tiling.block_n},
         {"num_stages", tiling.num_stages}}},
       {"threads", "threads", fmt::format("{} per CTA", num_threads(config)), num_threads(config)},
       {"kernel_sources", "kernel sources", sources_text(), sources_text()}});
  report.value("config", config_json(config));
}

void show_plan(const KernelConfig& config, Report& report) {
  const SmemPlan plan = smem_plan(config);
  Table table({{"region", "region"}, {"offset", "offset"}, {"bytes", "bytes"}, {"kib", "KiB", 1}});
  for (int i = 0; i < static_cast<int>(SmemRegion::kCount); ++i) {
    if (plan.bytes[i] > 0)
      table.row({kRegionNames[i], plan.offset[i], plan.bytes[i], plan.bytes[i] / 1024.0});
  }
  table.row({"total", Json(), plan.total, plan.total / 1024.0});
  const int limit = max_smem_bytes(config.arch);
  report.table(
      "smem_plan",
      fmt::format(
          "Shared memory of a CTA ({} allows {} KiB)", arch_name(config.arch), limit / 1024),
      table);
}

void show_resources(const Binary& binary, const KernelConfig& config, Report& report) {
  const ResourceUse& use = binary.resources;
  const Occupancy occ = occupancy(use, config.arch);
  const int smem = use.static_smem_bytes + use.dynamic_smem_bytes;
  report.facts(
      "resources",
      "Resources",
      {{"registers", "registers", fmt::format("{} per thread", use.registers), use.registers},
       {"spill_store_bytes",
        "spill stores",
        fmt::format("{} B per thread", use.spill_store_bytes),
        use.spill_store_bytes},
       {"spill_load_bytes",
        "spill loads",
        fmt::format("{} B per thread", use.spill_load_bytes),
        use.spill_load_bytes},
       {"stack_bytes", "stack", fmt::format("{} B per thread", use.stack_bytes), use.stack_bytes},
       {"smem_bytes", "shared memory", fmt::format("{} B per CTA", smem), smem},
       {"cubin_bytes", "cubin", fmt::format("{} B", binary.code.size()), binary.code.size()},
       {"compile_ms",
        "compiled in",
        fmt::format("{:.0f} ms", binary.compile_ms),
        binary.compile_ms}});
  report.facts("occupancy",
               "Occupancy",
               {{"ctas_per_sm", "CTAs", fmt::format("{} per SM", occ.ctas_per_sm), occ.ctas_per_sm},
                {"warps_per_sm",
                 "warps",
                 fmt::format("{} of {} per SM", occ.warps_per_sm, occ.max_warps_per_sm),
                 occ.warps_per_sm},
                {"limited_by", "limited by", occ.limited_by, occ.limited_by}});
}

int inspect(const InspectOptions& options, const Toolchain& toolchain, Report& report) {
  const KernelConfig config = require_variant(options.variant, require_arch(options.arch));
  const VariantSource source = make_variant_source(config, toolchain.sources());
  const bool everything = !options.asks_for_a_part();
  if (everything || report.json()) show_identity(config, report);
  if (everything || options.plan) show_plan(config, report);
  if (options.source) report.listing("source", "", source.text);
  if (options.needs_compiler()) toolchain.require_compiler();
  if (toolchain.compiler() == nullptr) {
    if (everything)
      report.note("Resources: not known without a compiler: " + toolchain.compiler_error());
    return kExitOk;
  }
  const Compiler& compiler = *toolchain.compiler();
  if (options.ptx) report.listing("ptx", "", compiler.compile_to_ptx(source, toolchain.sources()));
  if (!everything && !options.resources && !options.log && !options.sass) return kExitOk;
  const Binary binary = compiler.compile(source, toolchain.sources());
  if (everything || options.resources) show_resources(binary, config, report);
  if (options.resources && !given_kernel_dir().empty())
    report.note("Compiled from the kernel sources in " + sources_text() + ".");
  for (const std::string& warning : binary.warnings) report.note("Warning: " + warning);
  if (options.log) report.listing("log", "", binary.log);
  if (options.sass) report.listing("sass", "", disassemble(binary.code, toolchain.settings()));
  return kExitOk;
}

int run_inspect(const InspectOptions& options, Report& report) {
  const Toolchain toolchain;
  try {
    return inspect(options, toolchain, report);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCompileFailed) throw;
    const std::string message = fmt::format("{}\nkernel sources: {}", error.what(), sources_text());
    throw Error(error.code(), message)
        .with_variant(error.variant())
        .with_compile_log(error.compile_log(), error.source_path());
  }
}

}  // namespace

void add_inspect(Program& program) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App& command =
      add_command(program,
                  "inspect",
                  "One variant: resources, shared-memory plan, source, PTX, SASS",
                  [options](Report& report) { return run_inspect(*options, report); });
  command.add_option("VARIANT", options->variant, "A name as `flashjit list` prints it")
      ->required();
  command.add_option(
      "--arch", options->arch, "sm_80, sm_90a, …; default: this device, else sm_90a");
  command.add_flag("--plan", options->plan, "Shared memory by region");
  command.add_flag("--resources", options->resources, "Registers, spills, stack, occupancy");
  command.add_flag("--source", options->source, "The generated kernel.cu");
  command.add_flag("--ptx", options->ptx, "PTX");
  command.add_flag("--sass", options->sass, "SASS, through nvdisasm");
  command.add_flag("--log", options->log, "What the compiler said");
}

}  // namespace flashjit::cli
