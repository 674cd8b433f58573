#include "cli/report_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "cli/problem_sets.h"
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
  std::string text = fmt::format("{} d{}", to_string(p.dtype), p.head_dim_qk);
  if (p.head_dim_v != p.head_dim_qk) text += fmt::format("/{}", p.head_dim_v);
  text += p.mask == MaskKind::kCausal ? " causal" : " full";
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

Json problem_json(const TuningRecord& record, const Json& baseline, const FamilyDigests& digests) {
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
      {"device", record.device.name},
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
      {"winner_us", record.winner_us},
      {"winner_tflops", tflops(record.winner_us)},
      {"default", usual ? Json(variant_name(config_of(record, *usual))) : Json()},
      {"default_us", record.default_us},
      {"default_tflops", tflops(record.default_us)},
      {"peers", peers_of(record, baseline)},
      {"candidates", std::move(candidates)}};
}

// Winners first, in the order of the problems, then the defaults; each once.
std::vector<ReportVariant> variants_of(const ReportInput& input) {
  std::vector<ReportVariant> variants;
  int with_code = 0;
  const auto add = [&](const KernelConfig& config, bool may_have_code) {
    for (const ReportVariant& known : variants)
      if (known.config == config) return;
    const bool code = may_have_code && with_code < input.code_variants;
    with_code += code;
    variants.push_back({config, code});
  };
  for (const TuningRecord& record : input.records) add(config_of(record, record.winner), true);
  for (const TuningRecord& record : input.records)
    if (const auto usual = default_tiling_of(record)) add(config_of(record, *usual), false);
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

std::string now() {
  const std::time_t time = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &utc);
  return text;
}

Json parse_baseline(const std::string& text) {
  if (text.empty()) return nullptr;
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kData, fmt::format("the peers' baseline: {}", error.what()));
  }
}

// Another model of the same chip, a PCIe card say, has other roofs and lets peers reach less.
bool measured_on(const TuningRecord& record, const Json& baseline) {
  return baseline.is_object() && baseline.value("device", "") == record.device.name;
}

}  // namespace

Json peers_of(const TuningRecord& record, const Json& baseline) {
  if (!measured_on(record, baseline) || record.problem.dtype != Dtype::kBf16) return nullptr;
  const ProblemShape& s = record.shape;
  for (const Json& row : baseline.value("forward", Json::array())) {
    const bool same = row.value("head_dim", 0) == record.problem.head_dim_qk &&
                      row.value("head_dim", 0) == record.problem.head_dim_v &&
                      row.value("causal", false) == (record.problem.mask == MaskKind::kCausal) &&
                      row.value("seqlen", 0) == s.seqlen_q && s.seqlen_q == s.seqlen_kv &&
                      row.value("batch", 0) == s.batch && row.value("heads", 0) == s.num_heads_q &&
                      s.num_heads_q == s.num_heads_kv;
    if (!same) continue;
    Json peers = Json::object();
    for (const auto& [key, name] : {std::pair("cudnn", "cuDNN"),
                                    {"fa3_built_here", "FlashAttention-3"},
                                    {"fa2", "FlashAttention-2"}})
      if (row.contains(key) && row.at(key).is_number()) peers[name] = row.at(key);
    return peers;
  }
  return nullptr;
}

Json report_data(const ReportInput& input, Toolchain& toolchain, Report& report) {
  const Json baseline = parse_baseline(input.baseline);
  const FamilyDigests digests = family_digests(toolchain.sources());
  Json problems = Json::array();
  bool on_baseline_device = !input.records.empty();
  for (const TuningRecord& record : input.records) {
    problems.push_back(problem_json(record, baseline, digests));
    on_baseline_device = on_baseline_device && measured_on(record, baseline);
  }
  Json roofs;  // null where nobody has measured them
  if (on_baseline_device && baseline.contains("ceilings"))
    roofs = {{"tflops", baseline["ceilings"].value("bf16_gemm_8192_tflops", 0.0)},
             {"gb_per_s", baseline["ceilings"].value("device_copy_GB_s", 0.0)}};
  const std::vector<ReportVariant> variants = variants_of(input);
  return {{"schema", "flashjit-report/1"},
          {"version", version()},
          {"created", now()},
          {"compiler", toolchain.compiler() ? Json(toolchain.compiler()->build()) : Json()},
          {"compiler_error", toolchain.compiler_error()},
          {"roofs", std::move(roofs)},
          {"problems", std::move(problems)},
          {"variants", report_variants(variants, toolchain, report)},
          {"sources", kernel_sources(variants, toolchain.sources())}};
}

}  // namespace flashjit::cli
