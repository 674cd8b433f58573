// KernelConfig ↔ its readable name; the text forms of dtype, family and arch. Pure functions.
//
//   name   = "fwd_" family "_" dtype "_d" qk ["v" v] ["_causal"] ["_lse"] "_" tile {"_" word}
//   tile   = "m" block_m "n" block_n ["s" num_stages] ["q" num_q_stages] ["w" num_warps]
//            ["c" cluster_size]
//   word   = ["no"] "overlap" | "pingpong" | ["no"] "skip" | "mmasum" | "psmem"  sm90 switches
//          | "onetile" | "static" | "dynamic"                              Schedule
//          | "eager" | "lazy" | "optimistic"                               Rescale
//          | "direct" | "throughq" | "staged"                              Epilogue
//          | "r" producer_regs "x" consumer_regs
//          | "profile"                                                     KernelConfig
//
// What equals naming_base() is left out, so the usual variants have short names. A name is also a
// C identifier: it names the kernel.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "flashjit/kernel_config.h"

namespace flashjit {

// fwd_sm90_bf16_d128_causal_m128n128s2. Injective for configs of one arch.
std::string variant_name(const KernelConfig& config);
// The inverse; nothing if the text is no variant name. The arch comes from outside: names do not
// carry it.
std::optional<KernelConfig> parse_variant_name(std::string_view name, const Arch& arch);

// Of a text that says in other words what a name says: leading zeros, words out of order or that
// say the obvious.
std::optional<std::string> proper_variant_name(std::string_view text, const Arch& arch);

// What a name does not mention: the tiling that a family usually has, given block_m and the mask.
Tiling naming_base(Family family, int block_m, const Problem& problem);

// "sm_90a"; parse accepts sm_90a, 90a, 9.0a.
std::string arch_name(const Arch& arch);
std::optional<Arch> parse_arch(std::string_view text);

const char* to_string(Dtype dtype);    // "bf16"
const char* to_string(Family family);  // "sm80"
std::optional<Dtype> parse_dtype(std::string_view text);
std::optional<Family> parse_family(std::string_view text);

}  // namespace flashjit
