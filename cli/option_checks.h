// Checks of options whose message a person can read.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace flashjit::cli {

using OptionNames = std::vector<const char*>;

// The flags of AttentionProblem::add_to(), without --dtype, which also goes with sets of problems.
inline const OptionNames kProblemOptions = {
    "--batch", "--heads", "--kv-heads", "--seqlen", "--seqlen-kv", "--head-dim", "--causal"};

// Wrong usage: one of `names` beside one of `others`, which would ignore it, or be ignored.
void exclude(CLI::App& command, const OptionNames& names, const OptionNames& others);

// After parsing: throws CLI::ExcludesError where one of `names` was given, which `mode` ignores.
void refuse(const CLI::App& command, const OptionNames& names, const std::string& mode);

// Whether any of them was given.
bool has_any(const CLI::App& command, const OptionNames& names);

// A number that is more than 0. CLI11's own names the largest double, in 309 digits.
CLI::Validator positive();

// A head_dim: a multiple of 8 in 8 … 256.
CLI::Validator head_dim();

}  // namespace flashjit::cli
