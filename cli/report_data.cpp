#include "cli/report_data.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <tuple>

#include "cli/problem_sets.h"
#include "cli/report_baseline.h"
#include "cli/report_devices.h"
#include "cli/report_roofs.h"
#include "cli/variants.h"
#include "flashjit/flashjit.h"
#include "select.h"
#include "tuned_tilings.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

KernelConfig config_of(const TuningRecord& record, const Tiling& tiling) {
  return {record.problem, tiling, record.arch};
}

// Q, K, V and O once.
double tensor_bytes(const TuningRecord& record) {
  const ProblemShape& s = record.shape;
  const Problem& p = record.problem;
  const double q_rows = 1.0 * s.batch * s.seqlen_q * s.num_heads_q;
  const double kv_rows = 1.0 * s.batch * s.seqlen_kv * s.num_heads_kv;
  return (q_rows + kv_rows) * (p.head_dim_qk + p.head_dim_v) * size_of(p.dtype);
}

std::string title_of(const TuningRecord& record) {
  const ProblemShape& s = record.shape;
  const Problem& p = record.problem;
  std::string text = kind_text(p);
  text += s.seqlen_q == s.seqlen_kv ? fmt::format(" · S {}", s.seqlen_q)
                                    : fmt::format(" · {} × {}", s.seqlen_q, s.seqlen_kv);
  text += s.num_heads_q == s.num_heads_kv
              ? fmt::format(" · B {} · H {}", s.batch, s.num_heads_q)
              : fmt::format(" · B {} · H {} over {}", s.batch, s.num_heads_q, s.num_heads_kv);
  return text;
}

// Older records keep the default's time, not its tiling: it is the candidate of that time. Where
// several have it, or none, what the heuristic of this program takes counts, which may not be that
// of the program that measured. Records keep no strides: dense ones again, without which no TMA can
// be used.
std::optional<Tiling> default_tiling_of(const TuningRecord& record) {
  if (record.default_tiling) return record.default_tiling;
  const TuningProblem dense = dense_problem(record.problem, record.shape);
  const std::optional<Tiling> usual = default_tiling(
      record.winner.family, dense.problem, dense.shape, record.arch, record.device.sm_count);
  std::optional<Tiling> measured;
  for (const CandidateResult& candidate : record.candidates) {
    if (!candidate.error.empty() || candidate.time_us != record.default_us) continue;
    if (candidate.tiling == usual) return usual;
    if (!measured) measured = candidate.tiling;
  }
  return measured ? measured : usual;
}

Json candidate_json(const TuningRecord& record, const CandidateResult& candidate, double flops) {
  const Tiling& t = candidate.tiling;
  const bool timed = candidate.error.empty() && candidate.time_us > 0;
  return {{"variant", variant_name(config_of(record, t))},
          {"tiling", tiling_text(config_of(record, t))},
          {"family", to_string(t.family)},
          {"block_m", t.block_m},
          {"block_n", t.block_n},
          {"num_stages", t.num_stages},
          {"time_us", timed ? Json(candidate.time_us) : Json()},
          {"spread_us", timed ? Json(candidate.spread_us) : Json()},
          {"tflops", timed ? Json(flops / candidate.time_us / 1e6) : Json()},
          {"error", candidate.error}};
}

// What the record says that its search counted, of which it may carry a part; older ones do not
// say.
template <typename Predicate>
std::ptrdiff_t count_of(const TuningRecord& record, int told, const Predicate& predicate) {
  if (record.measured > 0) return told;
  return std::count_if(record.candidates.begin(), record.candidates.end(), predicate);
}

Json problem_json(const TuningRecord& record,
                  const std::vector<Json>& baselines,
                  const FamilyDigests& digests) {
  const ProblemShape& s = record.shape;
  const Problem& p = record.problem;
  const double flops = flop_count(p, s);
  const double bytes = tensor_bytes(record);
  const auto tflops = [flops](double us) { return us > 0 ? Json(flops / us / 1e6) : Json(); };
  Json candidates = Json::array();
  for (const CandidateResult& candidate : record.candidates)
    candidates.push_back(candidate_json(record, candidate, flops));
  const std::optional<Tiling> usual = default_tiling_of(record);
  return {
      {"title", title_of(record)},
      {"dtype", to_string(p.dtype)},
      {"head_dim", p.head_dim_qk},
      {"head_dim_v", p.head_dim_v},
      {"causal", p.mask == MaskKind::kCausal},
      {"batch", s.batch},
      {"heads", s.num_heads_q},
      {"kv_heads", s.num_heads_kv},
      {"seqlen_q", s.seqlen_q},
      {"seqlen_kv", s.seqlen_kv},
      {"kind", kind_text(p)},
      {"device", record.device.name},
      {"arch", arch_name(record.arch)},
      {"driver", record.driver_version},
      {"date", record.date},
      {"policy", record.policy},
      {"complete", record.complete},
      {"measured",
       count_of(record, record.measured, [](const auto& c) { return c.error.empty(); })},
      {"failed", count_of(record, record.failed, [](const auto& c) { return !c.error.empty(); })},
      {"legal", record.legal > 0 ? Json(record.legal) : Json()},
      {"rounds", record.rounds > 0 ? Json(record.rounds) : Json()},
      {"sources_digest", record.sources_digest},
      {"these_sources",
       record.sources_digest == digests[static_cast<std::size_t>(record.winner.family)]},
      {"flops", flops},
      {"bytes", bytes},
      {"intensity", flops / bytes},
      {"winner", variant_name(config_of(record, record.winner))},
      {"winner_tiling", tiling_text(config_of(record, record.winner))},
      {"winner_us", record.winner_us},
      {"winner_tflops", tflops(record.winner_us)},
      {"default", usual ? Json(variant_name(config_of(record, *usual))) : Json()},
      {"default_tiling", usual ? Json(tiling_text(config_of(record, *usual))) : Json()},
      {"default_us", record.default_us},
      {"default_tflops", tflops(record.default_us)},
      {"peers", peers_of(record, baselines)},
      {"candidates", std::move(candidates)}};
}

bool contains(const std::vector<KernelConfig>& list, const KernelConfig& config) {
  return std::find(list.begin(), list.end(), config) != list.end();
}

// The records of a device, the largest of every dtype, head_dim and mask before the second largest
// of any.
std::vector<const TuningRecord*> by_rank_in_kind(const std::vector<TuningRecord>& records,
                                                 const std::string& device) {
  const auto kind = [](const TuningRecord& r) {
    return std::tuple(r.problem.dtype, r.problem.head_dim_qk, r.problem.head_dim_v, r.problem.mask);
  };
  std::vector<std::pair<int, const TuningRecord*>> ranked;
  for (const TuningRecord& record : records) {
    if (record.device.name != device) continue;
    const auto larger = [&](const TuningRecord& other) {
      const double difference =
          flop_count(other.problem, other.shape) - flop_count(record.problem, record.shape);
      return other.device.name == device && kind(other) == kind(record) &&
             (difference > 0 || (difference == 0 && &other < &record));
    };
    ranked.emplace_back(std::count_if(records.begin(), records.end(), larger), &record);
  }
  std::stable_sort(
      ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<const TuningRecord*> sorted;
  for (const auto& [rank, record] : ranked) sorted.push_back(record);
  return sorted;
}

std::vector<KernelConfig> winners_with_code(const ReportInput& input) {
  std::vector<KernelConfig> all;
  for (const std::string& device : device_names(input.records)) {
    std::vector<KernelConfig> of_device;
    for (const TuningRecord* record : by_rank_in_kind(input.records, device)) {
      const KernelConfig config = config_of(*record, record->winner);
      if (std::ssize(of_device) < input.code_variants && !contains(of_device, config))
        of_device.push_back(config);
    }
    all.insert(all.end(), of_device.begin(), of_device.end());
  }
  return all;
}

// Winners first, in the order of the problems, then the defaults; each once.
std::vector<ReportVariant> variants_of(const ReportInput& input) {
  const std::vector<KernelConfig> with_code = winners_with_code(input);
  std::vector<ReportVariant> variants;
  const auto add = [&](const KernelConfig& config) {
    for (const ReportVariant& known : variants)
      if (known.config == config) return;
    variants.push_back({config, contains(with_code, config)});
  };
  for (const TuningRecord& record : input.records) add(config_of(record, record.winner));
  for (const TuningRecord& record : input.records)
    if (const auto usual = default_tiling_of(record)) add(config_of(record, *usual));
  return variants;
}

// The texts that the shown variants are made of, once for all of them.
Json kernel_sources(const std::vector<ReportVariant>& variants, const KernelSources& sources) {
  Json files = Json::object();
  for (const ReportVariant& variant : variants) {
    if (!variant.with_code) continue;
    const std::string main_loop = fmt::format("{}/", to_string(variant.config.tiling.family));
    for (const auto& [path, text] : sources.files())
      if (path.starts_with(main_loop) && path.ends_with(".cuh")) files[path] = text;
  }
  return files;
}

// Of each device that has any.
Json all_roofs(const std::vector<TuningRecord>& records, const std::vector<Json>& baselines) {
  Json list = Json::array();
  for (const std::string& device : device_names(records))
    if (Json roofs = roofs_of(device, baselines); !roofs.is_null())
      list.push_back(std::move(roofs));
  return list;
}

std::string now() { return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr))); }

}  // namespace

std::string kind_text(const Problem& problem) {
  std::string text = fmt::format("{} d{}", to_string(problem.dtype), problem.head_dim_qk);
  if (problem.head_dim_v != problem.head_dim_qk) text += fmt::format("/{}", problem.head_dim_v);
  text += problem.mask == MaskKind::kCausal ? " causal" : " full";
  return text + (problem.return_lse ? " lse" : "");
}

std::string tiling_text(const KernelConfig& config) {
  return fmt::format("{} {}", to_string(config.tiling.family), tile_name(config));
}

Json report_data(const ReportInput& input, Toolchain& toolchain, Report& report) {
  const std::vector<Json> baselines = parse_baselines(input.baselines);
  const FamilyDigests digests = family_digests(toolchain.sources());
  Json problems = Json::array();
  for (const TuningRecord& record : input.records)
    problems.push_back(problem_json(record, baselines, digests));
  const std::vector<ReportVariant> variants = variants_of(input);
  return {{"schema", "flashjit-report/3"},
          {"version", version()},
          {"created", now()},
          {"compiler", toolchain.compiler() ? Json(toolchain.compiler()->build()) : Json()},
          {"compiler_error", toolchain.compiler_error()},
          {"device", shown_device(input.records, digests, input.here)},
          {"devices", devices_json(input.records, digests)},
          {"baselines", baselines_json(baselines)},
          {"roofs", all_roofs(input.records, baselines)},
          {"problems", std::move(problems)},
          {"variants", report_variants(variants, toolchain, report)},
          {"sources", kernel_sources(variants, toolchain.sources())}};
}

}  // namespace flashjit::cli
