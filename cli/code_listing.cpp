#include "cli/code_listing.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace flashjit::cli {
namespace {

struct Prefix {
  std::string_view text;
  Unit unit;
};

// The first that fits counts, so longer ones stand in front of what they begin with.
constexpr Prefix kSassPrefixes[] = {
    {"HGMMA", Unit::kMatrix},        {"HMMA", Unit::kMatrix},       {"MUFU", Unit::kExp},
    {"FFMA", Unit::kFp32},           {"FADD", Unit::kFp32},         {"FMUL", Unit::kFp32},
    {"FMNMX", Unit::kFp32},          {"FSEL", Unit::kFp32},         {"FSETP", Unit::kFp32},
    {"F2FP", Unit::kConvert},        {"F2F", Unit::kConvert},       {"I2F", Unit::kConvert},
    {"F2I", Unit::kConvert},         {"HADD2.F32", Unit::kConvert}, {"LDSM", Unit::kShared},
    {"LDS", Unit::kShared},          {"STSM", Unit::kShared},       {"STS", Unit::kShared},
    {"LDGDEPBAR", Unit::kBarrier},   {"LDG", Unit::kGlobal},        {"STG", Unit::kGlobal},
    {"UTMA", Unit::kGlobal},         {"ATOMG", Unit::kGlobal},      {"REDG", Unit::kGlobal},
    {"LDL", Unit::kLocal},           {"STL", Unit::kLocal},         {"BAR", Unit::kBarrier},
    {"SYNCS", Unit::kBarrier},       {"WARPSYNC", Unit::kBarrier},  {"WARPGROUP", Unit::kBarrier},
    {"DEPBAR", Unit::kBarrier},      {"FENCE", Unit::kBarrier},     {"MEMBAR", Unit::kBarrier},
    {"UTMACMDFLUSH", Unit::kBarrier}};

constexpr Prefix kPtxPrefixes[] = {{"wgmma.mma_async", Unit::kMatrix},
                                   {"mma.sync", Unit::kMatrix},
                                   {"ex2", Unit::kExp},
                                   {"lg2", Unit::kExp},
                                   {"rcp", Unit::kExp},
                                   {"fma.rn", Unit::kFp32},
                                   {"add.f32", Unit::kFp32},
                                   {"sub.f32", Unit::kFp32},
                                   {"mul.f32", Unit::kFp32},
                                   {"max.f32", Unit::kFp32},
                                   {"setp", Unit::kOther},
                                   {"cvt", Unit::kConvert},
                                   {"ldmatrix", Unit::kShared},
                                   {"stmatrix", Unit::kShared},
                                   {"ld.shared", Unit::kShared},
                                   {"st.shared", Unit::kShared},
                                   {"cp.async.wait", Unit::kBarrier},
                                   {"cp.async.commit", Unit::kBarrier},
                                   {"cp.async.bulk.commit", Unit::kBarrier},
                                   {"cp.async.bulk.wait", Unit::kBarrier},
                                   {"cp.async", Unit::kGlobal},
                                   {"ld.global", Unit::kGlobal},
                                   {"st.global", Unit::kGlobal},
                                   {"atom", Unit::kGlobal},
                                   {"ld.local", Unit::kLocal},
                                   {"st.local", Unit::kLocal},
                                   {"bar", Unit::kBarrier},
                                   {"mbarrier", Unit::kBarrier},
                                   {"fence", Unit::kBarrier},
                                   {"membar", Unit::kBarrier},
                                   {"wgmma", Unit::kBarrier}};

Unit unit_of(std::string_view instruction, CodeKind kind) {
  const auto find = [&](const auto& prefixes) {
    for (const auto& [prefix, unit] : prefixes)
      if (instruction.starts_with(prefix)) return unit;
    return Unit::kOther;
  };
  return kind == CodeKind::kSass ? find(kSassPrefixes) : find(kPtxPrefixes);
}

// To global memory: a main loop may keep P in shared memory.
bool stores_output(std::string_view instruction, CodeKind kind) {
  if (kind == CodeKind::kSass)
    return instruction.starts_with("STG") || instruction.starts_with("UTMASTG");
  return instruction.starts_with("st.global") ||
         (instruction.starts_with("cp.async.bulk.tensor") &&
          instruction.find("global.shared") != std::string_view::npos);
}

struct Line {
  std::string_view text;         // without the blanks at its end
  std::string_view instruction;  // without address and guard; "" if it holds none
  std::string_view label;        // that it defines, or ""
};

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

bool is_label_char(char c) {
  return c == '_' || c == '.' || c == '$' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
         (c >= 'a' && c <= 'z');
}

Line read_line(std::string_view text, CodeKind kind) {
  text = text.substr(0, text.find_last_not_of(" \t\r") + 1);
  Line line{text, {}, {}};
  std::string_view rest = trim(text);
  if (rest.ends_with(':') && rest.size() > 1 &&
      std::all_of(rest.begin(), rest.end() - 1, is_label_char)) {
    line.label = rest.substr(0, rest.size() - 1);
    return line;
  }
  if (kind == CodeKind::kSass) {  // "/*0010*/  @!P0 BRA `(.L_x_3) ;"
    if (!rest.starts_with("/*")) return line;
    const std::size_t end = rest.find("*/");
    if (end == std::string_view::npos) return line;
    rest = trim(rest.substr(end + 2));
  }
  if (rest.starts_with('@')) rest = trim(rest.substr(std::min(rest.find(' '), rest.size())));
  const bool is_instruction =
      rest.find(';') != std::string_view::npos && !rest.starts_with('.') && !rest.starts_with("//");
  if (is_instruction) line.instruction = rest;
  return line;
}

// The label that a branch leads to.
std::string_view target_of(std::string_view instruction) {
  if (!instruction.starts_with("BRA") && !instruction.starts_with("bra")) return {};
  std::size_t first = instruction.find(".L");
  if (first == std::string_view::npos) first = instruction.find("$L");
  if (first == std::string_view::npos) return {};
  std::size_t last = first;
  while (last < instruction.size() && is_label_char(instruction[last])) ++last;
  return instruction.substr(first, last - first);
}

// [first, last] line.
struct Loop {
  std::size_t first = 0, last = 0;
  int work = 0;  // instructions of the kind that decides
};

// One for each label that is branched back to, up to the last such branch.
std::vector<Loop> find_loops(const std::vector<Line>& lines) {
  std::map<std::string_view, std::size_t> labels;
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (!lines[i].label.empty()) labels[lines[i].label] = i;
  std::map<std::size_t, std::size_t> last_of;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto head = labels.find(target_of(lines[i].instruction));
    // A branch to itself is how SASS pads the end of a function.
    if (head != labels.end() && head->second < i) last_of[head->second] = i;
  }
  std::vector<Loop> loops;
  for (const auto& [first, last] : last_of) loops.push_back({first, last, 0});
  return loops;
}

std::vector<Loop> find_main_loops(const std::vector<Line>& lines, CodeKind kind) {
  const bool has_matrix = std::any_of(lines.begin(), lines.end(), [kind](const Line& line) {
    return unit_of(line.instruction, kind) == Unit::kMatrix;
  });
  std::vector<Loop> candidates;
  int most = 0;
  for (Loop loop : find_loops(lines)) {
    bool stores = false;
    for (std::size_t i = loop.first; i <= loop.last; ++i) {
      const std::string_view instruction = lines[i].instruction;
      loop.work += has_matrix
                       ? unit_of(instruction, kind) == Unit::kMatrix
                       : instruction.starts_with("FFMA") || instruction.starts_with("fma.rn");
      stores = stores || stores_output(instruction, kind);
    }
    if (loop.work > 0 && !stores) candidates.push_back(loop);
  }
  std::vector<Loop> innermost;
  for (const Loop& a : candidates) {
    const bool embraces = std::any_of(candidates.begin(), candidates.end(), [&](const Loop& b) {
      return b.first >= a.first && b.last <= a.last && b.last - b.first < a.last - a.first;
    });
    if (embraces) continue;
    innermost.push_back(a);
    most = std::max(most, a.work);
  }
  std::erase_if(innermost, [most](const Loop& loop) { return 2 * loop.work < most; });
  return innermost;
}

CodePart make_part(const std::vector<Line>& lines,
                   std::size_t first,
                   std::size_t end,
                   bool main_loop,
                   CodeKind kind) {
  CodePart part;
  part.main_loop = main_loop;
  for (std::size_t i = first; i < end; ++i) {
    part.text += lines[i].text;
    part.text += '\n';
    if (lines[i].instruction.empty()) continue;
    ++part.instructions;
    ++part.mix[static_cast<std::size_t>(unit_of(lines[i].instruction, kind))];
  }
  return part;
}

}  // namespace

const char* to_string(Unit unit) {
  constexpr std::array kNames = {
      "matrix", "exp", "fp32", "convert", "shared", "global", "local", "barrier", "other"};
  static_assert(kNames.size() == static_cast<std::size_t>(Unit::kCount));
  return kNames.at(static_cast<std::size_t>(unit));
}

std::vector<CodePart> split_code(const std::string& text, CodeKind kind) {
  std::vector<Line> lines;
  const std::string_view all = text;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find('\n', at), all.size());
    lines.push_back(read_line(all.substr(at, end - at), kind));
    at = end + 1;
  }
  std::vector<CodePart> parts;
  std::size_t done = 0;
  for (const Loop& loop : find_main_loops(lines, kind)) {
    if (loop.first < done) continue;  // overlaps the loop before
    if (loop.first > done) parts.push_back(make_part(lines, done, loop.first, false, kind));
    parts.push_back(make_part(lines, loop.first, loop.last + 1, true, kind));
    done = loop.last + 1;
  }
  if (done < lines.size()) parts.push_back(make_part(lines, done, lines.size(), false, kind));
  return parts;
}

InstructionMix mix_of(const std::vector<CodePart>& parts, bool main_loops) {
  InstructionMix sum{};
  for (const CodePart& part : parts) {
    if (part.main_loop != main_loops) continue;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += part.mix[i];
  }
  return sum;
}

}  // namespace flashjit::cli
