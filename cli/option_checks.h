// Checks of options whose message a person can read.
#pragma once

#include <CLI/CLI.hpp>

namespace flashjit::cli {

// A number that is more than 0. CLI11's own names the largest double, in 309 digits.
CLI::Validator positive();

}  // namespace flashjit::cli
