// The variants that the commands talk about: the ones that the runtime would choose for the usual
// problems, what a name means, and which names are close to a mistyped one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flashjit/runtime.h"

namespace flashjit::cli {

// One problem of the listing with the default tiling of one family; `why_not` is set where none is
// legal.
struct ListedVariant {
  Problem problem;
  Family family;
  std::optional<KernelConfig> config;
  std::string why_not;
};

struct VariantFilter {
  std::vector<Family> families;  // empty: all
  std::vector<Dtype> dtypes;     // empty: all
  std::vector<int> head_dims;    // empty: 64, 128, 256
  std::optional<bool> causal;    // nothing: both
};

// family × dtype × head_dim × mask, in the order of the enums.
std::vector<ListedVariant> list_variants(const Arch& arch, const VariantFilter& filter);

// The config behind `name`. Throws Error(kInvalidArgument) with the nearest names when it is none,
// or with the reason when it is no legal variant on `arch`.
KernelConfig require_variant(const std::string& name, const Arch& arch);

// Before a device is opened: whether `name` is that of a variant for any GPU. Throws
// Error(kInvalidArgument) with the nearest names.
void require_variant_name(const std::string& name);

// The arch behind `text`, or of device 0 when it is empty, or sm_90a without a device. Throws
// Error(kInvalidArgument).
Arch require_arch(const std::string& text);

// What `arch` leaves out that its GPUs can run, and how to ask for it; "" where there is nothing.
std::string arch_note(const Arch& arch);

// SMs of the data-centre GPU of that architecture, for choices that are made without a device.
int usual_sm_count(const Arch& arch);

// "64×64 s2": what a tiling is, in short.
std::string tiling_text(const Tiling& tiling);

// "m128n128s2_static": the part of a variant's name that is its tiling.
std::string tile_name(const KernelConfig& config);

// Number of insertions, deletions and replacements that turn `a` into `b`.
int edit_distance(const std::string& a, const std::string& b);

}  // namespace flashjit::cli
