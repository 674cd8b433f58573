#include "cli/did_you_mean.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/variants.h"

namespace flashjit::cli {
namespace {

using Names = std::vector<std::string>;

bool is_option(const std::string& word) { return word.size() > 1 && word[0] == '-'; }

// Those that --help shows: a group without a name is hidden.
Names commands_of(const CLI::App& app) {
  Names names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  return names;
}

Names options_of(const CLI::App& app) {
  Names names;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// "cache list"; "" of the program itself.
std::string path_of(const CLI::App& app) {
  if (app.get_parent() == nullptr) return "";
  const std::string parent = path_of(*app.get_parent());
  return parent.empty() ? app.get_name() : parent + " " + app.get_name();
}

std::string of(const CLI::App& app) {
  const std::string path = path_of(app);
  return path.empty() ? path : " of " + path;
}

std::string unknown_command(const CLI::App& app, const std::string& word) {
  const Names names = commands_of(app);
  const std::string near = nearest_name(word, names);
  return fmt::format("there is no command '{}'{}; {}",
                     word,
                     of(app),
                     near.empty() ? fmt::format("there are {}", fmt::join(names, ", "))
                                  : fmt::format("did you mean '{}'?", near));
}

std::string unknown_option(const CLI::App& app, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  for (const CLI::App* command : app.get_subcommands()) {  // the one that was given
    const Names names = options_of(*command);
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    const std::string path = path_of(*command);
    return fmt::format("'{}' goes behind the command: `flashjit {} {}`", name, path, name);
  }
  const std::string near = nearest_name(name, options_of(app));
  const std::string path = path_of(app);
  return fmt::format(
      "there is no option '{}'{}; {}",
      name,
      of(app),
      near.empty() ? fmt::format("`flashjit {}--help` lists them", path.empty() ? path : path + " ")
                   : fmt::format("did you mean '{}'?", near));
}

}  // namespace

std::string nearest_name(const std::string& word, const Names& names) {
  const std::size_t letters = word.size() - std::min(word.find_first_not_of('-'), word.size());
  int limit = letters < 5 ? 1 : letters < 8 ? 2 : 3;
  std::string nearest;
  for (const std::string& name : names) {
    const int distance = edit_distance(word, name);
    if (distance > limit) continue;
    nearest = name;
    limit = distance - 1;  // of equals the first
  }
  return nearest;
}

std::string unknown_word(const CLI::App& app) {
  Names words = app.remaining();
  words.erase(std::remove(words.begin(), words.end(), "--"), words.end());
  if (words.empty()) {
    for (const CLI::App* command : app.get_subcommands()) {
      if (std::string found = unknown_word(*command); !found.empty()) return found;
    }
    return "";
  }
  if (!commands_of(app).empty())
    return is_option(words[0]) ? unknown_option(app, words[0]) : unknown_command(app, words[0]);
  // Behind an unknown option stands its value, which is not to blame.
  const auto option = std::find_if(words.begin(), words.end(), is_option);
  if (option != words.end()) return unknown_option(app, *option);
  const std::string path = path_of(app);
  return fmt::format(
      "{} takes no '{}'; `flashjit {} --help` lists what it takes", path, words[0], path);
}

}  // namespace flashjit::cli
