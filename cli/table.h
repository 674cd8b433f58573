// A table that a person reads as aligned text and a program as an array of JSON objects: one source
// for both, so that `--json` cannot disagree with what is shown.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace flashjit::cli {

using Json = nlohmann::ordered_json;

// Columns of the terminal that output is laid out for.
inline constexpr std::size_t kTextWidth = 100;

struct Column {
  std::string key;    // name in JSON
  std::string title;  // heading, with the unit; "": in JSON only
  int decimals = 0;   // of floating-point cells, in text only
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // One cell per column; null means "not known" or "does not apply" and is shown as a dash.
  void row(std::vector<Json> cells);
  // The rows of a table with the same columns.
  void append(const Table& other);

  bool empty() const { return rows_.empty(); }
  std::size_t size() const { return rows_.size(); }
  // Heading, rule and rows, beginning with `indent` spaces. A row wider than kTextWidth goes on in
  // its last column, on the next line.
  std::string text(int indent = 2) const;
  Json to_json() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Json>> rows_;
};

// One value as a person reads it: "yes", "1.50", "–".
std::string cell_text(const Json& value, int decimals);

// Columns that `text` takes on a terminal: code points, as every character used here is one column
// wide.
std::size_t display_width(std::string_view text);

// `text` broken at spaces so that no line is wider than `width` columns; following lines begin with
// `indent` spaces.
std::string wrap(std::string_view text, std::size_t width, std::size_t indent);

}  // namespace flashjit::cli
