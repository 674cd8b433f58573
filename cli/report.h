// What a command has to say. In text mode every part is printed as soon as it is added, so that a
// person sees progress; with --json the same parts become one JSON object, printed at the end.
// Warnings go to stderr.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/table.h"

namespace flashjit::cli {

// A named value of a list of facts; `text` is what a person reads, `value` what a program gets.
struct Fact {
  std::string key, title, text;
  Json value;
};

class Report {
 public:
  explicit Report(bool json) : json_(json) {}
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  bool json() const { return json_; }

  void heading(std::string_view title);  // text only
  void line(std::string_view text,
            std::size_t indent = 0);  // text only; wrapped, continued at `indent`
  void facts(const std::string& key, std::string_view title, const std::vector<Fact>& facts);
  void table(const std::string& key, std::string_view title, const Table& table);
  void listing(const std::string& key, std::string_view title, const std::string& body);
  void note(const std::string& sentence);          // wrapped; "notes" in JSON
  void value(const std::string& key, Json value);  // JSON only
  void progress(std::string_view sentence);        // stderr, only where a person watches

  // Prints the JSON object in JSON mode. Called once, also after a failure.
  void finish();

 private:
  bool json_;
  bool in_progress_ = false;  // a progress line stands on the terminal
  Json document_ = Json::object();

  void print(std::string_view text);
};

}  // namespace flashjit::cli
