#include "cli/bench_compile.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/program.h"
#include "cli/result_file.h"
#include "cli/toolchain.h"
#include "kernel_registry.h"
#include "sm90_tiling.h"
#include "variant_name.h"

namespace flashjit::cli {

std::vector<KernelConfig> selectable_sm90_configs(const std::vector<int>& head_dims) {
  std::vector<KernelConfig> configs;
  for (const int head_dim : head_dims) {
    for (const MaskKind mask : {MaskKind::kNone, MaskKind::kCausal}) {
      for (const bool lse : {false, true}) {
        const Problem problem = {
            .head_dim_qk = head_dim, .head_dim_v = head_dim, .mask = mask, .return_lse = lse};
        for (const Tiling& tiling : sm90_default_candidates(problem))
          configs.push_back({problem, tiling, {9, 0, true}});
      }
    }
  }
  return configs;
}

int bench_compile(const std::vector<int>& head_dims,
                  const std::filesystem::path& out,
                  Report& report) {
  const Toolchain toolchain;
  const Compiler& compiler = toolchain.require_compiler();
  const std::vector<KernelConfig> configs = selectable_sm90_configs(head_dims);
  Table table({{"variant", "variant"},
               {"compile_ms", "ms", 0},
               {"registers", "regs"},
               {"spill_bytes", "spills"}});
  const auto compile = [&](const KernelConfig& config) {
    return compiler.compile(make_variant_source(config, toolchain.sources()), toolchain.sources());
  };
  if (!configs.empty()) compile(configs.front());  // NVRTC's own start counts for none
  std::vector<double> times;
  for (const KernelConfig& config : configs) {
    report.progress(
        fmt::format("{} of {}: {} …", times.size() + 1, configs.size(), variant_name(config)));
    const Binary binary = compile(config);
    times.push_back(binary.compile_ms);
    const ResourceUse& use = binary.resources;
    table.row({variant_name(config),
               times.back(),
               use.registers,
               use.spill_store_bytes + use.spill_load_bytes});
  }
  if (times.empty()) throw Error(ErrorCode::kInvalidArgument, "no sm90 variant of these head dims");
  std::vector<double> sorted = times;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  const double median = (sorted[middle] + sorted[sorted.size() - 1 - middle]) / 2;
  const double longest = sorted.back();
  report.table("rows", compiler.build() + ", one thread, no cache", table);
  report.facts("compile",
               fmt::format("{} variants", configs.size()),
               {{"median_ms", "median", fmt::format("{:.0f} ms", median), median},
                {"max_ms", "longest", fmt::format("{:.0f} ms", longest), longest}});
  if (!out.empty()) {
    write_result_file(out,
                      {{"compiler", compiler.build()},
                       {"date", today()},
                       {"command", "flashjit bench --compile"},
                       {"median_ms", median},
                       {"max_ms", longest}},
                      table.to_json());
  }
  return kExitOk;
}

}  // namespace flashjit::cli
