#include "cli/option_checks.h"

#include <algorithm>

namespace flashjit::cli {

void exclude(CLI::App& command, const OptionNames& names, const OptionNames& others) {
  for (const char* name : names)
    for (const char* other : others) command.get_option(name)->excludes(command.get_option(other));
}

void refuse(const CLI::App& command, const OptionNames& names, const std::string& mode) {
  for (const char* name : names) {
    if (command.count(name) > 0) throw CLI::ExcludesError(mode, name);
  }
}

bool has_any(const CLI::App& command, const OptionNames& names) {
  return std::any_of(
      names.begin(), names.end(), [&](const char* name) { return command.count(name) > 0; });
}

CLI::Validator head_dim() {
  return CLI::Validator(
      [](const std::string& text) {
        int number = 0;
        const bool good = CLI::detail::lexical_cast(text, number) && number >= 8 && number <= 256 &&
                          number % 8 == 0;
        return good ? std::string() : text + " must be a multiple of 8 in 8 … 256";
      },
      "HEAD_DIM");
}

CLI::Validator positive() {
  return CLI::Validator(
      [](const std::string& text) {
        double number = 0;
        const bool good = CLI::detail::lexical_cast(text, number) && number > 0;
        return good ? std::string() : text + " must be a number that is more than 0";
      },
      "POSITIVE");
}

}  // namespace flashjit::cli
