#include "cli/report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/progress_bar.h"

namespace flashjit::cli {

void Report::print(std::string_view text) {
  if (json_) return;
  if (in_progress_) fmt::print(stderr, "\r\033[K");
  in_progress_ = false;
  fmt::print("{}", text);
  std::fflush(stdout);
}

void Report::heading(std::string_view title) { print(fmt::format("\n{}\n", title)); }

void Report::line(std::string_view text, std::size_t indent) {
  print(wrap(text, kTextWidth, indent) + "\n");
}

void Report::facts(const std::string& key, std::string_view title, const std::vector<Fact>& facts) {
  Json object = Json::object();
  std::size_t width = 0;
  for (const Fact& fact : facts) {
    object[fact.key] = fact.value;
    width = std::max(width, display_width(fact.title));
  }
  document_[key] = std::move(object);
  std::string text;
  for (const Fact& fact : facts) {
    const std::string blanks(width - display_width(fact.title) + 2, ' ');
    text += wrap("  " + fact.title + blanks + fact.text, kTextWidth, width + 4) + "\n";
  }
  if (!title.empty()) heading(title);
  print(text);
}

void Report::table(const std::string& key, std::string_view title, const Table& table) {
  document_[key] = table.to_json();
  if (!title.empty()) heading(title);
  print(table.text());
}

void Report::listing(const std::string& key, std::string_view title, const std::string& body) {
  document_[key] = body;
  if (!title.empty()) heading(title);
  print(body);
  if (!body.ends_with('\n')) print("\n");
}

void Report::note(const std::string& sentence) {
  document_["notes"].push_back(sentence);
  print("\n" + wrap(sentence, kTextWidth, 0) + "\n");
}

void Report::value(const std::string& key, Json value) { document_[key] = std::move(value); }

void Report::progress(std::string_view sentence) {
  if (json_ || isatty(STDERR_FILENO) == 0) return;
  fmt::print(stderr, "\r\033[K{}", fit_line(sentence, kTextWidth - 1));
  std::fflush(stderr);
  in_progress_ = true;
}

void Report::finish() {
  if (json_) {
    fmt::print("{}\n", document_.dump(2));
  } else {
    print("");
  }
  std::fflush(stdout);
}

}  // namespace flashjit::cli
