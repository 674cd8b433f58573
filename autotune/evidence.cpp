#include "evidence.h"

#include <algorithm>
#include <set>
#include <utility>

namespace flashjit {
namespace {

constexpr std::size_t kTiles = 20;
constexpr std::size_t kKinds = 8;         // of failures
constexpr std::size_t kErrorBytes = 200;  // of one; compile logs have more

// Errors of one kind differ by their numbers.
std::string kind_of(std::string error) {
  std::erase_if(error, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  return error;
}

// The first line, cut between two characters.
std::string shortened(const std::string& error) {
  std::size_t size = std::min(error.find('\n'), error.size());
  if (size > kErrorBytes) {
    size = kErrorBytes;
    while ((static_cast<unsigned char>(error[size]) & 0xC0) == 0x80) --size;
  }
  return error.substr(0, size);
}

bool is_default(const TuningRecord& record, const CandidateResult& row) {
  // Older records do not say which one it is.
  if (!record.default_tiling) return row.time_us == record.default_us;
  return row.tiling == *record.default_tiling;
}

}  // namespace

TuningRecord abridged(TuningRecord record) {
  std::vector<CandidateResult> rows = std::exchange(record.candidates, {});
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return a.error.empty() != b.error.empty() ? a.error.empty() : a.time_us < b.time_us;
  });
  std::set<std::pair<int, int>> tiles;
  std::set<std::string> kinds;
  for (CandidateResult& row : rows) {
    bool kept = row.tiling == record.winner || is_default(record, row);
    if (!row.error.empty()) {
      row.error = shortened(row.error);
      kept = kinds.size() < kKinds && kinds.insert(kind_of(row.error)).second;
    } else if (tiles.size() < kTiles) {
      kept = tiles.insert({row.tiling.block_m, row.tiling.block_n}).second || kept;
    }
    if (kept) record.candidates.push_back(std::move(row));
  }
  return record;
}

}  // namespace flashjit
