#include "cli/report_page.h"

#include <fmt/format.h>

#include "cli/problem_sets.h"
#include "cli/report_devices.h"
#include "cli/result_file.h"
#include "flashjit/error.h"
#include "runtime/embedded_sources.h"

namespace flashjit {
std::span<const EmbeddedFile> embedded_report_page();
std::span<const EmbeddedFile> embedded_baselines();
std::span<const EmbeddedFile> embedded_peer_results();
}  // namespace flashjit

namespace flashjit::cli {
namespace {

std::string_view file_of(std::span<const EmbeddedFile> files, std::string_view path) {
  for (const EmbeddedFile& file : files)
    if (file.path == path) return file.text;
  throw Error(ErrorCode::kInternal, fmt::format("{} was not embedded", path));
}

void replace(std::string& text, std::string_view mark, std::string_view by) {
  const std::size_t at = text.find(mark);
  if (at == std::string::npos)
    throw Error(ErrorCode::kInternal, fmt::format("the page has no {}", mark));
  text.replace(at, mark.size(), by);
}

// In the order in which they run: page.js draws, with what the others define.
constexpr std::string_view kScripts[] = {"state.js",
                                         "markup.js",
                                         "plot.js",
                                         "problems.js",
                                         "heatmap.js",
                                         "bars.js",
                                         "roofline.js",
                                         "variants.js",
                                         "code.js",
                                         "page.js"};

std::string all_scripts(std::span<const EmbeddedFile> files) {
  std::string text;
  for (const std::string_view path : kScripts) text += file_of(files, path);
  return text;
}

// JSON that may stand in a <script>: no text of it can end the element or open a comment.
std::string json_in_script(const Json& data) {
  std::string text;
  for (const char c : data.dump()) {
    if (c == '<')
      text += "\\u003c";
    else
      text += c;
  }
  return text;
}

}  // namespace

std::string report_page(const Json& data) {
  const std::span<const EmbeddedFile> files = embedded_report_page();
  std::string page(file_of(files, "page.html"));
  replace(page, "@@STYLE@@", file_of(files, "page.css"));
  replace(page, "@@SCRIPT@@", all_scripts(files));
  replace(page, "@@DATA@@", json_in_script(data));
  return page;
}

void write_report_page(const std::filesystem::path& path,
                       std::vector<TuningRecord> records,
                       Toolchain& toolchain,
                       Report& report) {
  if (records.empty()) throw Error(ErrorCode::kData, "there is no tuning record to report on");
  sort_by_problem(records);
  const Json data = report_data({.records = std::move(records),
                                 .baselines = shipped_baselines(),
                                 .here = devices_here(toolchain.settings())},
                                toolchain,
                                report);
  write_output_file(path, report_page(data));
}

std::vector<std::string> shipped_baselines() {
  return {std::string(file_of(embedded_baselines(), "h100.json")),
          std::string(file_of(embedded_peer_results(), "h200.json"))};
}

}  // namespace flashjit::cli
