#include "cli/report_baseline.h"

#include <fmt/format.h>

#include "flashjit/error.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

// Another model of the same chip, a PCIe card say, lets peers reach less.
bool measured_on(const TuningRecord& record, const Json& baseline) {
  return baseline.value("device", "") == record.device.name;
}

// A row without a dtype is of bf16, one without heads_kv has no groups.
bool is_row_of(const TuningRecord& record, const Json& row) {
  const ProblemShape& s = record.shape;
  const Problem& p = record.problem;
  const int head_dim = row.value("head_dim", 0), heads = row.value("heads", 0);
  return head_dim == p.head_dim_qk && head_dim == p.head_dim_v &&
         row.value("dtype", "bf16") == to_string(p.dtype) &&
         row.value("causal", false) == (p.mask == MaskKind::kCausal) &&
         row.value("seqlen", 0) == s.seqlen_q && s.seqlen_q == s.seqlen_kv &&
         row.value("batch", 0) == s.batch && heads == s.num_heads_q &&
         row.value("heads_kv", heads) == s.num_heads_kv;
}

Json peers_of_row(const Json& row) {
  Json peers = Json::object();
  for (const auto& [key, name] : {std::pair("cudnn", "cuDNN"),
                                  {"fa3_built_here", "FlashAttention-3"},
                                  {"fa2", "FlashAttention-2"}})
    if (row.contains(key) && row.at(key).is_number()) peers[name] = row.at(key);
  return peers;
}

// A result of bench/compare_torch.py has no note: what it was measured with is told instead.
std::string note_of(const Json& baseline) {
  if (baseline.contains("note")) return baseline.value("note", "");
  if (!baseline.contains("torch")) return "";
  return fmt::format(
      "Measured on one {} by bench/compare_torch.py (driver {}, torch {}, cuDNN {}), beside "
      "flashjit's own kernels in one process: medians of single launches with the L2 flushed. "
      "FlashAttention-2 is that of PyTorch.",
      baseline.value("device", ""),
      baseline.value("driver", ""),
      baseline.value("torch", ""),
      baseline.value("cudnn", ""));
}

}  // namespace

std::vector<Json> parse_baselines(const std::vector<std::string>& texts) {
  std::vector<Json> baselines;
  for (const std::string& text : texts) {
    try {
      baselines.push_back(Json::parse(text));
    } catch (const Json::exception& error) {
      throw Error(ErrorCode::kData, fmt::format("the peers' baseline: {}", error.what()));
    }
    if (!baselines.back().is_object())
      throw Error(ErrorCode::kData, "the peers' baseline: not a JSON object");
  }
  return baselines;
}

// A result has a row for each kernel of ours; the peers' columns of a problem are the same in all.
Json peers_of(const TuningRecord& record, const std::vector<Json>& baselines) {
  for (const Json& baseline : baselines) {
    if (!measured_on(record, baseline)) continue;
    for (const Json& row : baseline.value("forward", Json::array())) {
      if (!is_row_of(record, row)) continue;
      Json peers = peers_of_row(row);
      if (!peers.empty()) return peers;
    }
  }
  return nullptr;
}

Json baselines_json(const std::vector<Json>& baselines) {
  Json list = Json::array();
  for (const Json& baseline : baselines)
    list.push_back({{"device", baseline.value("device", "")},
                    {"date", baseline.value("date", "")},
                    {"note", note_of(baseline)}});
  return list;
}

}  // namespace flashjit::cli
