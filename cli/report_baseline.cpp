#include "cli/report_baseline.h"

#include <fmt/format.h>

#include "flashjit/error.h"

namespace flashjit::cli {
namespace {

// Another model of the same chip, a PCIe card say, has other roofs and lets peers reach less.
bool measured_on(const TuningRecord& record, const Json& baseline) {
  return baseline.is_object() && baseline.value("device", "") == record.device.name;
}

}  // namespace

Json parse_baseline(const std::string& text) {
  if (text.empty()) return nullptr;
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kData, fmt::format("the peers' baseline: {}", error.what()));
  }
}

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

Json baseline_json(const Json& baseline) {
  if (!baseline.is_object()) return nullptr;
  return {{"device", baseline.value("device", "")},
          {"date", baseline.value("date", "")},
          {"note", baseline.value("note", "")}};
}

Json roofs_json(const Json& baseline) {
  if (!baseline.is_object() || !baseline.contains("ceilings")) return nullptr;
  const double tflops = baseline["ceilings"].value("bf16_gemm_8192_tflops", 0.0);
  const double gb_per_s = baseline["ceilings"].value("device_copy_GB_s", 0.0);
  if (tflops <= 0 || gb_per_s <= 0) return nullptr;
  return {{"device", baseline.value("device", "")}, {"tflops", tflops}, {"gb_per_s", gb_per_s}};
}

}  // namespace flashjit::cli
