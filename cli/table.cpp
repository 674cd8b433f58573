#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace flashjit::cli {
namespace {

std::string pad(const std::string& text, std::size_t width, bool right_aligned) {
  const std::string blanks(width - std::min(width, display_width(text)), ' ');
  return right_aligned ? blanks + text : text + blanks;
}

}  // namespace

std::string cell_text(const Json& value, int decimals) {
  if (value.is_null()) return "–";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_float()) {
    const double number = value.get<double>();
    const bool tiny = number != 0 && std::abs(number) < 0.5 * std::pow(10.0, -decimals);
    if (!tiny) return fmt::format("{:.{}f}", number, decimals);
    // Two digits that are not zero, as long as that is readable without an exponent.
    const int digits = 1 - static_cast<int>(std::floor(std::log10(std::abs(number))));
    constexpr int kMostDecimals = 6;
    return digits <= kMostDecimals ? fmt::format("{:.{}f}", number, digits)
                                   : fmt::format("{:.1e}", number);
  }
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

void Table::row(std::vector<Json> cells) {
  if (cells.size() != columns_.size()) throw std::logic_error("a row needs one cell per column");
  rows_.push_back(std::move(cells));
}

void Table::append(const Table& other) {
  for (const std::vector<Json>& cells : other.rows_) row(cells);
}

std::string Table::text(int indent) const {
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  std::vector<std::string> lines(rows_.size() + 1, margin);
  std::size_t last_column = 0;  // where the last column begins
  std::size_t table_width = 0;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (columns_[c].title.empty()) continue;
    std::vector<std::string> cells{columns_[c].title};
    // A column of which nothing is known looks like the numbers that it would hold.
    bool numeric = columns_[c].decimals > 0 && !rows_.empty();
    for (const std::vector<Json>& row : rows_) numeric = numeric && row[c].is_null();
    for (const std::vector<Json>& row : rows_) {
      cells.push_back(cell_text(row[c], columns_[c].decimals));
      numeric = numeric || row[c].is_number();
    }
    std::size_t width = 0;
    for (const std::string& cell : cells) width = std::max(width, display_width(cell));
    const std::string gap = table_width == 0 ? "" : "  ";
    for (std::size_t i = 0; i < lines.size(); ++i) lines[i] += gap + pad(cells[i], width, numeric);
    last_column = margin.size() + table_width + gap.size();
    table_width += gap.size() + width;
  }
  table_width = std::min(table_width, kTextWidth - margin.size());
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += wrap(lines[i].substr(0, lines[i].find_last_not_of(' ') + 1), kTextWidth, last_column) +
            "\n";
    if (i > 0) continue;
    text += margin;
    for (std::size_t column = 0; column < table_width; ++column) text += "─";
    text += "\n";
  }
  return text;
}

Json Table::to_json() const {
  Json rows = Json::array();
  for (const std::vector<Json>& row : rows_) {
    Json object = Json::object();
    for (std::size_t c = 0; c < columns_.size(); ++c) object[columns_[c].key] = row[c];
    rows.push_back(std::move(object));
  }
  return rows;
}

std::string wrap(std::string_view text, std::size_t width, std::size_t indent) {
  std::string result;
  std::size_t column = 0, i = 0;
  const auto new_line = [&] {
    result += "\n" + std::string(indent, ' ');
    column = indent;
  };
  while (i < text.size()) {
    const std::size_t begin = std::min(text.find_first_not_of(' ', i), text.size());
    if (begin < text.size() && text[begin] == '\n') {
      new_line();
      i = begin + 1;
      continue;
    }
    const std::size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    std::size_t gap = begin - i;
    if (column > indent && column + gap + display_width(word) > width) {
      new_line();
      gap = 0;
    }
    result += std::string(gap, ' ') + std::string(word);
    column += gap + display_width(word);
    i = end;
  }
  return result;
}

}  // namespace flashjit::cli
