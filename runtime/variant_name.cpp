#include "variant_name.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <vector>

#include "kernel_src/sm90/plan.h"

namespace flashjit {
namespace {

constexpr std::array kDtypeNames = {"fp16", "bf16", "fp32"};
constexpr std::array kFamilyNames = {"standard", "simt", "sm80", "sm90"};
constexpr std::array kScheduleNames = {"onetile", "static", "dynamic"};
constexpr std::array kRescaleNames = {"eager", "lazy", "optimistic"};
constexpr std::array kEpilogueNames = {"direct", "throughq", "staged"};

template <typename Enum, std::size_t N>
const char* name_of(Enum value, const std::array<const char*, N>& names) {
  const auto index = static_cast<std::size_t>(value);
  return index < N ? names[index] : "unknown";
}

template <typename Enum, std::size_t N>
std::optional<Enum> find_name(std::string_view text, const std::array<const char*, N>& names) {
  for (std::size_t i = 0; i < N; ++i) {
    if (text == names[i]) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

struct Switch {
  const char* word;
  bool Tiling::*field;
};
constexpr std::array kSwitches = {Switch{"overlap", &Tiling::overlap},
                                  Switch{"pingpong", &Tiling::ping_pong},
                                  Switch{"skip", &Tiling::skip_masked},
                                  Switch{"mmasum", &Tiling::row_sum_by_mma},
                                  Switch{"psmem", &Tiling::probs_in_smem}};

struct Letter {
  char letter;
  int Tiling::*field;
};
constexpr std::array kLetters = {Letter{'s', &Tiling::num_stages},
                                 Letter{'q', &Tiling::num_q_stages},
                                 Letter{'w', &Tiling::num_warps},
                                 Letter{'c', &Tiling::cluster_size}};

// Consumes `letter` and the decimal number behind it.
bool take_number(std::string_view& text, char letter, int& value) {
  if (text.empty() || text.front() != letter) return false;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + 1, end, value);
  if (error != std::errc() || value < 0) return false;
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  return true;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool parse_head_dims(std::string_view text, Problem& problem) {
  if (!take_number(text, 'd', problem.head_dim_qk)) return false;
  problem.head_dim_v = problem.head_dim_qk;
  if (!text.empty() && !take_number(text, 'v', problem.head_dim_v)) return false;
  return text.empty();
}

bool parse_tile(std::string_view text, const Problem& problem, Tiling& tiling) {
  const Family family = tiling.family;
  int block_m = 0;
  if (!take_number(text, 'm', block_m)) return false;
  tiling = naming_base(family, block_m, problem);
  if (!take_number(text, 'n', tiling.block_n)) return false;
  for (const auto& [letter, field] : kLetters) {
    if (!text.empty() && text.front() == letter && !take_number(text, letter, tiling.*field)) {
      return false;
    }
  }
  return text.empty();
}

bool parse_word(std::string_view word, Tiling& tiling) {
  for (const auto& [name, field] : kSwitches) {
    if (word == name || word == std::string("no") + name) {
      tiling.*field = word == name;
      return true;
    }
  }
  if (const auto schedule = find_name<Schedule>(word, kScheduleNames)) {
    tiling.schedule = *schedule;
  } else if (const auto rescale = find_name<Rescale>(word, kRescaleNames)) {
    tiling.rescale = *rescale;
  } else if (const auto epilogue = find_name<Epilogue>(word, kEpilogueNames)) {
    tiling.epilogue = *epilogue;
  } else {
    return take_number(word, 'r', tiling.producer_regs) &&
           take_number(word, 'x', tiling.consumer_regs) && word.empty();
  }
  return true;
}

}  // namespace

Tiling naming_base(Family family, int block_m, const Problem& problem) {
  Tiling base = {.family = family, .block_m = block_m};
  if (family == Family::kSm80) {
    base.num_warps = 4;
    base.rescale = Rescale::kLazy;
  }
  if (family != Family::kSm90) return base;
  base.num_warps = block_m / 16;
  base.num_q_stages = 2;
  base.overlap = true;
  base.skip_masked = problem.mask == MaskKind::kCausal;
  base.schedule = Schedule::kDynamic;
  base.rescale = Rescale::kOptimistic;
  base.epilogue = Epilogue::kThroughQ;
  const Sm90Registers registers = sm90_registers(sm90_num_warpgroups(base));
  base.producer_regs = registers.producer;
  base.consumer_regs = registers.consumer;
  return base;
}

std::string variant_name(const KernelConfig& config) {
  const Problem& problem = config.problem;
  const Tiling& tiling = config.tiling;
  const Tiling base = naming_base(tiling.family, tiling.block_m, problem);
  std::string name = fmt::format(
      "fwd_{}_{}_d{}", to_string(tiling.family), to_string(problem.dtype), problem.head_dim_qk);
  if (problem.head_dim_v != problem.head_dim_qk) name += fmt::format("v{}", problem.head_dim_v);
  if (problem.mask == MaskKind::kCausal) name += "_causal";
  if (problem.return_lse) name += "_lse";
  name += fmt::format("_m{}n{}", tiling.block_m, tiling.block_n);
  for (const auto& [letter, field] : kLetters) {
    if (tiling.*field != base.*field) name += fmt::format("{}{}", letter, tiling.*field);
  }
  for (const auto& [word, field] : kSwitches) {
    if (tiling.*field != base.*field) name += fmt::format("_{}{}", tiling.*field ? "" : "no", word);
  }
  if (tiling.schedule != base.schedule) {
    name += fmt::format("_{}", name_of(tiling.schedule, kScheduleNames));
  }
  if (tiling.rescale != base.rescale) {
    name += fmt::format("_{}", name_of(tiling.rescale, kRescaleNames));
  }
  if (tiling.epilogue != base.epilogue) {
    name += fmt::format("_{}", name_of(tiling.epilogue, kEpilogueNames));
  }
  if (tiling.producer_regs != base.producer_regs || tiling.consumer_regs != base.consumer_regs) {
    name += fmt::format("_r{}x{}", tiling.producer_regs, tiling.consumer_regs);
  }
  if (config.profile) name += "_profile";
  return name;
}

namespace {

// Also of words out of order, or that say the obvious.
std::optional<KernelConfig> parse_words(std::string_view name, const Arch& arch) {
  const std::vector<std::string_view> parts = split(name, '_');
  if (parts.size() < 5 || parts[0] != "fwd") return std::nullopt;
  const std::optional<Family> family = parse_family(parts[1]);
  const std::optional<Dtype> dtype = parse_dtype(parts[2]);
  if (!family || !dtype) return std::nullopt;

  KernelConfig config = {.problem = {.dtype = *dtype}, .tiling = {.family = *family}, .arch = arch};
  if (!parse_head_dims(parts[3], config.problem)) return std::nullopt;
  std::size_t next = 4;
  if (next < parts.size() && parts[next] == "causal") {
    config.problem.mask = MaskKind::kCausal;
    ++next;
  }
  if (next < parts.size() && parts[next] == "lse") {
    config.problem.return_lse = true;
    ++next;
  }
  if (next == parts.size() || !parse_tile(parts[next], config.problem, config.tiling)) {
    return std::nullopt;
  }
  while (++next < parts.size()) {
    if (parts[next] == "profile") {
      config.profile = true;
    } else if (!parse_word(parts[next], config.tiling)) {
      return std::nullopt;
    }
  }
  return config;
}

}  // namespace

// One config has one name.
std::optional<KernelConfig> parse_variant_name(std::string_view name, const Arch& arch) {
  const std::optional<KernelConfig> config = parse_words(name, arch);
  return config && variant_name(*config) == name ? config : std::nullopt;
}

std::optional<std::string> proper_variant_name(std::string_view text, const Arch& arch) {
  const std::optional<KernelConfig> config = parse_words(text, arch);
  return config ? std::optional(variant_name(*config)) : std::nullopt;
}

std::string arch_name(const Arch& arch) {
  return fmt::format("sm_{}{}{}", arch.major, arch.minor, arch.specific ? "a" : "");
}

std::optional<Arch> parse_arch(std::string_view text) {
  if (text.starts_with("sm_")) text.remove_prefix(3);
  Arch arch;
  arch.specific = text.ends_with('a');
  if (arch.specific) text.remove_suffix(1);
  std::string digits;
  std::size_t dot = std::string_view::npos;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.' && dot == std::string_view::npos) {
      dot = i;
    } else if (text[i] >= '0' && text[i] <= '9') {
      digits += text[i];
    } else {
      return std::nullopt;
    }
  }
  // The minor version is the last digit: sm_90, sm_120.
  if (digits.size() < 2 || digits.size() > 3) return std::nullopt;
  if (dot != std::string_view::npos && dot != digits.size() - 1) return std::nullopt;
  arch.major = std::stoi(digits.substr(0, digits.size() - 1));
  arch.minor = digits.back() - '0';
  return arch;
}

const char* to_string(Dtype dtype) { return name_of(dtype, kDtypeNames); }
const char* to_string(Family family) { return name_of(family, kFamilyNames); }
std::optional<Dtype> parse_dtype(std::string_view text) {
  return find_name<Dtype>(text, kDtypeNames);
}
std::optional<Family> parse_family(std::string_view text) {
  return find_name<Family>(text, kFamilyNames);
}

}  // namespace flashjit
