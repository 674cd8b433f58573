#include "cli/variants.h"
#include <fmt/ranges.h>
#include <span>

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "kernel_src/variant_plan.h"
#include "select.h"
#include "variant_source.h"
#include "workload.h"

namespace flashjit::cli {
namespace {

constexpr Family kFamilies[] = {Family::kStandard, Family::kSimt, Family::kSm80, Family::kSm90};
constexpr Dtype kDtypes[] = {Dtype::kFp16, Dtype::kBf16, Dtype::kFp32};
constexpr int kHeadDims[] = {64, 128, 256};
constexpr Arch kDefaultArch{9, 0, true};

// Long enough that the choice of a tiling does not depend on it.
ProblemShape listing_shape(const Problem& problem) {
  ProblemShape shape;
  shape.batch = 4;
  shape.seqlen_q = shape.seqlen_kv = 4096;
  shape.num_heads_q = shape.num_heads_kv = 16;
  return validate(workload_args(problem, shape), false).shape;  // with strides and scale
}

ListedVariant make_listed(const Problem& problem, Family family, const Arch& arch) {
  ListedVariant listed{problem, family, std::nullopt, ""};
  const auto tiling =
      default_tiling(family, problem, listing_shape(problem), arch, usual_sm_count(arch));
  if (tiling) {
    listed.config = KernelConfig{problem, *tiling, arch};
  } else {
    KernelConfig usual{problem, naming_base(family, 64, problem), arch};
    const char* reason = why_illegal(usual);
    listed.why_not = reason != nullptr ? reason : "no tiling of this family is legal here";
  }
  return listed;
}

template <typename T>
std::vector<T> chosen(const std::vector<T>& filter, std::span<const T> all) {
  return filter.empty() ? std::vector<T>(all.begin(), all.end()) : filter;
}

// The names of the listing that are closest to `name`, best first.
std::vector<std::string> nearest_names(const std::string& name, const Arch& arch) {
  VariantFilter filter;
  for (int head_dim = 32; head_dim <= 256; head_dim += 32) filter.head_dims.push_back(head_dim);
  std::vector<std::pair<int, std::string>> ranked;
  for (const ListedVariant& listed : list_variants(arch, filter)) {
    if (!listed.config) continue;
    const std::string candidate = variant_name(*listed.config);
    ranked.emplace_back(edit_distance(name, candidate), candidate);
  }
  std::sort(ranked.begin(), ranked.end());
  ranked.resize(std::min<std::size_t>(ranked.size(), 3));
  std::vector<std::string> names;
  for (auto& [distance, candidate] : ranked) names.push_back(std::move(candidate));
  return names;
}

}  // namespace

std::vector<ListedVariant> list_variants(const Arch& arch, const VariantFilter& filter) {
  std::vector<bool> masks{false, true};
  if (filter.causal) masks = {*filter.causal};
  std::vector<ListedVariant> variants;
  for (const Family family : chosen<Family>(filter.families, kFamilies)) {
    for (const Dtype dtype : chosen<Dtype>(filter.dtypes, kDtypes)) {
      for (const int head_dim : chosen<int>(filter.head_dims, kHeadDims)) {
        for (const bool causal : masks) {
          const Problem problem{.dtype = dtype,
                                .head_dim_qk = head_dim,
                                .head_dim_v = head_dim,
                                .mask = causal ? MaskKind::kCausal : MaskKind::kNone,
                                .return_lse = false};
          variants.push_back(make_listed(problem, family, arch));
        }
      }
    }
  }
  return variants;
}

KernelConfig require_variant(const std::string& name, const Arch& arch) {
  const std::optional<KernelConfig> config = parse_variant_name(name, arch);
  if (const auto proper = config ? std::nullopt : proper_variant_name(name, arch)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is not the name of a variant; this one is called {}", name, *proper));
  }
  const char* reason = config ? why_illegal(*config) : "it is not the name of a variant";
  if (reason == nullptr) return *config;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("'{}' cannot be built for {}: {}. The nearest names are\n  {}\n"
                          "`flashjit list --arch {}` prints all",
                          name,
                          arch_name(arch),
                          reason,
                          fmt::join(nearest_names(name, arch), "\n  "),
                          arch_name(arch)));
}

void require_variant_name(const std::string& name) {
  if (!parse_variant_name(name, kDefaultArch)) require_variant(name, kDefaultArch);
}

Arch require_arch(const std::string& text) {
  if (text.empty()) {
    try {
      return Runtime({.backend = Backend::kCuda}).device().arch;
    } catch (const Error&) {
      return kDefaultArch;  // no GPU here: the one that most of the kernels are made for
    }
  }
  const std::optional<Arch> arch = parse_arch(text);
  if (!arch) {
    throw Error(ErrorCode::kInvalidArgument,
                "--arch '" + text + "' is no architecture; write sm_80, sm_90a or 9.0a");
  }
  return *arch;
}

std::string arch_note(const Arch& arch) {
  if (arch.major != 9 || arch.specific) return "";
  return fmt::format("{} leaves out the Hopper kernels: sm90 kernels need sm_90a.",
                     arch_name(arch));
}

int usual_sm_count(const Arch& arch) { return arch.major >= 9 ? 132 : 108; }

std::string tiling_text(const Tiling& tiling) {
  std::string text = fmt::format("{}×{}", tiling.block_m, tiling.block_n);
  if (tiling.num_stages > 1) text += fmt::format(" s{}", tiling.num_stages);
  return text;
}

std::string tile_name(const KernelConfig& config) {
  std::string name = variant_name(config);
  for (std::size_t at = name.find("_m"); at != std::string::npos; at = name.find("_m", at + 1)) {
    if (at + 2 < name.size() && name[at + 2] >= '0' && name[at + 2] <= '9')
      return name.substr(at + 1);
  }
  return name;
}

int edit_distance(const std::string& a, const std::string& b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = std::exchange(row[0], static_cast<int>(i));
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row[b.size()];
}

}  // namespace flashjit::cli
