#include "cli/option_checks.h"

namespace flashjit::cli {

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
