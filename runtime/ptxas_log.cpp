#include "ptxas_log.h"

#include <algorithm>
#include <charconv>

namespace flashjit {
namespace {

// The next line of `text`, which loses it.
std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

// The number that stands right before `label` ("8 bytes spill stores"), or 0.
int number_before(std::string_view line, std::string_view label) {
  const std::size_t end = line.find(label);
  if (end == std::string_view::npos) return 0;
  std::size_t begin = end;
  while (begin > 0 && line[begin - 1] >= '0' && line[begin - 1] <= '9') --begin;
  int number = 0;
  std::from_chars(line.data() + begin, line.data() + end, number);
  return number;
}

// ptxas names its advice: "(C7510) Potential Performance Loss: wgmma.mma_async …", with severity
// info, so that the word "warning" is not there to look for.
bool names_performance_loss(std::string_view line) {
  const std::size_t at = line.find("(C75");
  return at != std::string_view::npos || line.find("Performance Loss") != std::string_view::npos;
}

}  // namespace

ResourceUse parse_ptxas_resources(std::string_view log) {
  ResourceUse use;
  const auto keep_max = [](int& value, int candidate) { value = std::max(value, candidate); };
  while (!log.empty()) {
    const std::string_view line = take_line(log);
    keep_max(use.registers, number_before(line, " registers"));
    keep_max(use.stack_bytes, number_before(line, " bytes stack frame"));
    keep_max(use.spill_store_bytes, number_before(line, " bytes spill stores"));
    keep_max(use.spill_load_bytes, number_before(line, " bytes spill loads"));
    keep_max(use.static_smem_bytes, number_before(line, " bytes smem"));
  }
  return use;
}

std::vector<std::string> find_compile_warnings(std::string_view log) {
  std::vector<std::string> warnings;
  while (!log.empty()) {
    const std::string_view line = take_line(log);
    const bool spills = number_before(line, " bytes spill stores") > 0 ||
                        number_before(line, " bytes spill loads") > 0;
    if (spills || line.find("warning") != std::string_view::npos || names_performance_loss(line)) {
      const std::size_t begin = std::min(line.size(), line.find_first_not_of(' '));
      warnings.emplace_back(line.substr(begin));
    }
  }
  return warnings;
}

std::string without_compile_times(std::string_view log) {
  std::string kept;
  while (!log.empty()) {
    const std::size_t before = log.size();
    const char* begin = log.data();
    const std::string_view line = take_line(log);
    if (line.find("Compile time = ") == std::string_view::npos)
      kept.append(begin, before - log.size());
  }
  return kept;
}

}  // namespace flashjit
