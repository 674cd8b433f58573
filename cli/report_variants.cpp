// The part of the report that needs a compiler: each variant compiled once, in parallel.
#include <fmt/format.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "cli/code_listing.h"
#include "cli/disassembler.h"
#include "cli/occupancy.h"
#include "cli/report_data.h"
#include "kernel_registry.h"
#include "kernel_src/variant_plan.h"
#include "variant_source.h"

namespace flashjit::cli {
namespace {

Json mix_json(const InstructionMix& mix) {
  Json json = Json::object();
  for (std::size_t i = 0; i < mix.size(); ++i) json[to_string(static_cast<Unit>(i))] = mix[i];
  return json;
}

Json parts_json(const std::vector<CodePart>& parts) {
  Json json = Json::array();
  for (const CodePart& part : parts)
    json.push_back(
        {{"main_loop", part.main_loop}, {"instructions", part.instructions}, {"text", part.text}});
  return json;
}

Json resources_json(const Binary& binary, const KernelConfig& config) {
  Json json = to_json(binary.resources);
  const Occupancy occ = occupancy(binary.resources, config.arch);
  json["ctas_per_sm"] = occ.ctas_per_sm;
  json["warps_per_sm"] = occ.warps_per_sm;
  json["max_warps_per_sm"] = occ.max_warps_per_sm;
  json["limited_by"] = occ.limited_by;
  json["cubin_bytes"] = binary.code.size();
  json["compile_ms"] = binary.compile_ms;
  return json;
}

// SASS needs nvdisasm; without it the rest is told all the same.
void add_sass(const Binary& binary, bool with_code, const Settings& settings, Json& json) {
  try {
    const std::vector<CodePart> parts =
        split_code(disassemble(binary.code, settings), CodeKind::kSass);
    json["mix"] = {{"main_loops", mix_json(mix_of(parts, true))},
                   {"rest", mix_json(mix_of(parts, false))}};
    if (with_code) json["sass"] = parts_json(parts);
  } catch (const Error& error) {
    json["sass_error"] = error.what();
  }
}

Json variant_json(const ReportVariant& variant, Toolchain& toolchain) {
  const KernelConfig& config = variant.config;
  Json json = {{"name", variant_name(config)},
               {"kind", kind_text(config.problem)},
               {"tiling", tiling_text(config)},
               {"arch", arch_name(config.arch)},
               {"config", to_source(config)},
               {"threads", num_threads(config)},
               {"smem_bytes", smem_bytes(config)}};
  const VariantSource source = make_variant_source(config, toolchain.sources());
  if (variant.with_code) json["source"] = source.text;
  if (toolchain.compiler() == nullptr) return json;
  try {
    const Binary binary = toolchain.get(config).entry.binary;
    json["resources"] = resources_json(binary, config);
    add_sass(binary, variant.with_code, toolchain.settings(), json);
    if (variant.with_code)
      json["ptx"] = parts_json(split_code(
          toolchain.compiler()->compile_to_ptx(source, toolchain.sources()), CodeKind::kPtx));
  } catch (const Error& error) {
    json["error"] = error.what();
  }
  return json;
}

}  // namespace

Json report_variants(const std::vector<ReportVariant>& variants,
                     Toolchain& toolchain,
                     Report& report) {
  std::vector<Json> rows(variants.size());
  std::atomic<std::size_t> next = 0, done = 0;
  std::mutex progress;
  const auto work = [&] {
    for (std::size_t i = next++; i < variants.size(); i = next++) {
      rows[i] = variant_json(variants[i], toolchain);
      const std::lock_guard lock(progress);
      report.progress(fmt::format("{} of {} variants …", ++done, variants.size()));
    }
  };
  std::vector<std::jthread> workers(
      std::min<std::size_t>(std::max(1u, std::thread::hardware_concurrency()), variants.size()));
  for (std::jthread& worker : workers) worker = std::jthread(work);
  workers.clear();  // waits
  return rows;
}

}  // namespace flashjit::cli
