// What a mistyped word of the command line was meant to be.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace flashjit::cli {

// The name that a typing mistake turns into `word`; "": none is near.
std::string nearest_name(const std::string& word, const std::vector<std::string>& names);

// After a parse that threw: names the first word that nothing takes, and what was meant, in one
// line; "": every word was understood.
std::string unknown_word(const CLI::App& app);

}  // namespace flashjit::cli
