#include "cli/run_program.h"

#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace flashjit::test {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

ProgramRun run_program(const std::string& arguments, const std::string& environment) {
  std::string pattern = (fs::temp_directory_path() / "flashjit-test-XXXXXX").string();
  const fs::path directory = mkdtemp(pattern.data());
  const std::string command = "FLASHJIT_CACHE_DIR='" + (directory / "cache").string() + "' " +
                              environment + " " + FLASHJIT_PROGRAM + " " + arguments + " >'" +
                              (directory / "out").string() + "' 2>'" +
                              (directory / "err").string() + "'";
  const int status = std::system(command.c_str());
  ProgramRun run;
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  run.out = read_file(directory / "out");
  run.err = read_file(directory / "err");
  fs::remove_all(directory);
  return run;
}

bool machine_has(const std::string& what) {
  static const nlohmann::json checks = run_program("doctor --json").json().at("checks");
  for (const nlohmann::json& check : checks) {
    if (check.at("what") == what) return check.at("state") == "ok";
  }
  return false;
}

}  // namespace flashjit::test
