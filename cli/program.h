// The program `flashjit`: its exit codes, and how a command joins it. One file per command.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "cli/report.h"

namespace flashjit::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailure =
      1,  // it was tried and did not work: no driver, a compile failure, a result out of bounds
  kExitUsage = 2,  // an argument is wrong; the message names it and what would be right
  kExitData = 3,   // a file that was named is missing or does not hold what it should
  // 128 + signal: interrupted, and stopped cleanly: 130 by Ctrl-C, 143 by SIGTERM (InterruptWatch)
};

struct Program {
  CLI::App app{"Flash attention for C++ programs, specialised at run time"};
  bool json = false;
  std::function<int(Report&)> run;  // set by the command that was chosen; returns an ExitCode
};

// A sub-command of `parent` with --json; `run` is called after all arguments were parsed.
CLI::App& add_command(Program& program,
                      CLI::App& parent,
                      const std::string& name,
                      const std::string& description,
                      std::function<int(Report&)> run);
// The same, of the program itself.
CLI::App& add_command(Program& program,
                      const std::string& name,
                      const std::string& description,
                      std::function<int(Report&)> run);

void add_demo(Program& program);
void add_doctor(Program& program);
void add_list(Program& program);
void add_inspect(Program& program);
void add_bench(Program& program);
void add_analyze(Program& program);
void add_check(Program& program);  // does nothing in a build without the emulator
void add_build(Program& program);  // and export
void add_preload(Program& program);
void add_stats(Program& program);
void add_bundle(Program& program);  // verify, import, diff
void add_cache(Program& program);
void add_tune(Program& program);
void add_profile(Program& program);
void add_report(Program& program);

// Makes Backend::kEmulated known to this program. Throws Error(kNotSupported) in a build without
// the emulator.
void use_emulator();

}  // namespace flashjit::cli
