#include "sass.h"

#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <stdexcept>

#include "temp_dir.h"

namespace flashjit::test {
namespace {

// [first, last] instruction.
struct Range {
  std::size_t first, last;
};

struct Listing {
  std::vector<std::string> instructions;      // without their guards
  std::map<std::string, std::size_t> labels;  // → the instruction behind
  std::vector<std::pair<std::size_t, std::string>> branches;
};

Listing read_listing(const std::string& sass) {
  static const std::regex label(R"(^\s*(\.L_x_\d+):)");
  static const std::regex instruction(R"(^\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+ )?([^;]*);)");
  static const std::regex target(R"(^BRA.*`\((\.L_x_\d+)\))");
  Listing listing;
  std::istringstream lines(sass);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_search(line, match, label)) {
      listing.labels[match[1]] = listing.instructions.size();
    } else if (std::regex_search(line, match, instruction)) {
      listing.instructions.push_back(match[1]);
      const std::string text = match[1];
      if (std::regex_search(text, match, target))
        listing.branches.emplace_back(listing.instructions.size() - 1, match[1]);
    }
  }
  return listing;
}

// ptxas rotates the loop over tiles, so that a backward branch of it may embrace no mainloop; it is
// known by the stores of its epilogue.
bool stores_output(const Listing& listing, const Range& range) {
  for (std::size_t i = range.first; i <= range.last; ++i) {
    const std::string& text = listing.instructions[i];
    if (text.starts_with("STG") || text.starts_with("STSM") || text.starts_with("UTMASTG"))
      return true;
  }
  return false;
}

// One range for each loop head: up to the last branch back to it.
std::vector<Range> find_loops(const Listing& listing) {
  std::map<std::size_t, std::size_t> last_of;
  for (const auto& [at, label] : listing.branches) {
    const auto head = listing.labels.find(label);
    if (head != listing.labels.end() && head->second <= at) last_of[head->second] = at;
  }
  std::vector<Range> loops;
  for (const auto& [first, last] : last_of) loops.push_back({first, last});
  return loops;
}

GemmLoop count(const Listing& listing, const Range& range) {
  GemmLoop loop;
  for (std::size_t i = range.first; i <= range.last; ++i) {
    const std::string& text = listing.instructions[i];
    const auto is = [&](const char* opcode) { return text.starts_with(opcode); };
    ++loop.instructions;
    loop.hgmma += is("HGMMA");
    loop.r2ur += is("R2UR");
    loop.local_memory += is("LDL") || is("STL");
  }
  return loop;
}

}  // namespace

std::vector<GemmLoop> find_gemm_loops(const std::string& sass) {
  const Listing listing = read_listing(sass);
  std::vector<Range> loops;
  for (const Range& range : find_loops(listing)) {
    if (count(listing, range).hgmma > 0 && !stores_output(listing, range)) loops.push_back(range);
  }
  std::vector<GemmLoop> innermost;
  for (const Range& a : loops) {
    bool has_inner = false;
    for (const Range& b : loops) {
      const bool same = a.first == b.first && a.last == b.last;
      has_inner = has_inner || (!same && b.first >= a.first && b.first <= a.last &&
                                b.last - b.first < a.last - a.first);
    }
    if (!has_inner) innermost.push_back(count(listing, a));
  }
  return innermost;
}

std::string disassemble(const std::filesystem::path& nvdisasm, std::span<const std::byte> cubin) {
  const TempDir dir;
  const std::filesystem::path path = dir / "kernel.cubin";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(cubin.data()), std::streamsize(cubin.size()));
  const std::string command = "'" + nvdisasm.string() + "' -c '" + path.string() + "'";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"),
                                                             &::pclose);
  if (!pipe) throw std::runtime_error("cannot run " + command);
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t n = std::fread(buffer, 1, sizeof(buffer), pipe.get()))
    text.append(buffer, n);
  if (text.empty()) throw std::runtime_error(command + " printed nothing");
  return text;
}

}  // namespace flashjit::test
