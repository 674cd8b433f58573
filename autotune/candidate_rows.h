// The rows of one search: found by their tiling, ranked by their time. The search writes them as it
// measures; they become the candidates of its result.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tiling_set.h"
#include "tuning_record.h"

namespace flashjit {

class CandidateRows {
 public:
  // Null where the tiling has no row.
  const CandidateResult* find(const Tiling& tiling) const;
  // In the place of the row that its tiling has.
  void write(CandidateResult row);
  // Rows of an earlier search, where there are none yet. Their times are scaled from the clock of
  // that search to this one's by the row of the default, which must be here; not at all where the
  // earlier search does not say how long the default took.
  void adopt(const std::vector<CandidateResult>& known, const Tiling& default_tiling);
  // It keeps its row, but is neither ranked nor the leader any more.
  void leave_behind(const Tiling& tiling) { behind_.insert(tiling); }
  void rescale(double factor);

  // Of the timed tilings that are not left behind the fastest; there must be one.
  const CandidateResult& leader() const;
  // All of these, fastest first.
  std::vector<Tiling> ranking() const;

  std::size_t size() const { return rows_.size(); }
  std::vector<CandidateResult> take() { return std::move(rows_); }

 private:
  bool is_ranked(const CandidateResult& row) const {
    return row.error.empty() && !behind_.contains(row.tiling);
  }

  std::vector<CandidateResult> rows_;
  std::unordered_map<Tiling, std::size_t, TilingHash> index_;  // of its row
  TilingSet behind_;
};

}  // namespace flashjit
