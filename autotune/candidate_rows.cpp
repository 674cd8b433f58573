#include "candidate_rows.h"

#include <algorithm>

namespace flashjit {

const CandidateResult* CandidateRows::find(const Tiling& tiling) const {
  const auto at = index_.find(tiling);
  return at == index_.end() ? nullptr : &rows_[at->second];
}

void CandidateRows::write(CandidateResult row) {
  const auto [entry, is_new] = index_.try_emplace(row.tiling, rows_.size());
  if (is_new) rows_.emplace_back();
  rows_[entry->second] = std::move(row);
}

void CandidateRows::adopt(const std::vector<CandidateResult>& known, const Tiling& default_tiling) {
  double scale = 1;
  for (const CandidateResult& row : known) {
    if (row.tiling != default_tiling || !row.error.empty() || row.time_us <= 0) continue;
    scale = find(default_tiling)->time_us / row.time_us;
    break;
  }
  for (CandidateResult row : known) {
    if (find(row.tiling) != nullptr) continue;
    row.time_us *= scale;
    row.spread_us *= scale;
    write(std::move(row));
  }
}

void CandidateRows::rescale(double factor) {
  for (CandidateResult& row : rows_) row.time_us *= factor;
}

std::vector<Tiling> CandidateRows::ranking() const {
  std::vector<const CandidateResult*> ranked;
  for (const CandidateResult& row : rows_) {
    if (is_ranked(row)) ranked.push_back(&row);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto* a, const auto* b) {
    return a->time_us < b->time_us;
  });
  std::vector<Tiling> tilings;
  for (const CandidateResult* row : ranked) tilings.push_back(row->tiling);
  return tilings;
}

const CandidateResult& CandidateRows::leader() const {
  const CandidateResult* leader = nullptr;
  for (const CandidateResult& row : rows_) {
    if (is_ranked(row) && (leader == nullptr || row.time_us < leader->time_us)) leader = &row;
  }
  return *leader;
}

}  // namespace flashjit
