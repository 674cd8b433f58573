// Entry point of the program `flashjit`: parses the command line, runs one command, turns errors
// into messages and exit codes.
#include <fmt/format.h>

#include "autotune/first_use.h"
#include "cli/bench_deploy.h"
#include "cli/did_you_mean.h"
#include "cli/program.h"
#include "cli/tune_worker.h"
#include "flashjit/flashjit.h"

namespace flashjit::cli {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 it failed, 2 wrong usage, 3 wrong data file, 130 interrupted. Every "
    "command takes --json.";

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return kExitUsage;
    case ErrorCode::kIo:
    case ErrorCode::kData:
      return kExitData;
    default:
      return kExitFailure;
  }
}

void print_error(const Error& error) {
  fmt::print(stderr, "flashjit: {}: {}\n", to_string(error.code()), error.what());
  // The message of a failed compile holds them already.
  const std::string_view message = error.what();
  const auto add = [message](const char* what, const std::string& text) {
    if (message.find(text) == std::string_view::npos) fmt::print(stderr, "{}{}\n", what, text);
  };
  add("variant: ", error.variant());
  add("source: ", error.source_path());
  add("", error.compile_log());
}

// CLI11 exits with 0 after --help and --version.
int end_of_parse(const Program& program, const CLI::ParseError& error) {
  const bool wrong = error.get_exit_code() != 0;
  const std::string unknown = wrong ? unknown_word(program.app) : std::string();
  if (unknown.empty()) return program.app.exit(error) == 0 ? kExitOk : kExitUsage;
  fmt::print(stderr, "flashjit: {}\n", unknown);
  return kExitUsage;
}

int run(const Program& program) {
  Report report(program.json);
  int code = kExitFailure;
  try {
    code = program.run(report);
  } catch (const Error& error) {
    report.value("error", {{"code", to_string(error.code())}, {"message", error.what()}});
    report.finish();
    print_error(error);
    return exit_code(error.code());
  } catch (const std::exception& error) {
    report.value("error", {{"code", to_string(ErrorCode::kInternal)}, {"message", error.what()}});
    report.finish();
    fmt::print(stderr, "flashjit: {}\n", error.what());
    return kExitFailure;
  }
  report.finish();
  return code;
}

}  // namespace

CLI::App& add_command(Program& program,
                      CLI::App& parent,
                      const std::string& name,
                      const std::string& description,
                      std::function<int(Report&)> run) {
  CLI::App& command = *parent.add_subcommand(name, description);
  command.add_flag("--json", program.json, "One JSON object on stdout instead of text");
  command.callback([&program, run = std::move(run)] { program.run = run; });
  return command;
}

CLI::App& add_command(Program& program,
                      const std::string& name,
                      const std::string& description,
                      std::function<int(Report&)> run) {
  return add_command(program, program.app, name, description, std::move(run));
}

}  // namespace flashjit::cli

int main(int argc, char** argv) {
  using namespace flashjit::cli;
  flashjit::register_first_use_tuner();
  Program program;
  program.app.set_version_flag("--version", std::string("flashjit ") + flashjit::version());
  program.app.require_subcommand(1);
  program.app.footer(kFooter);
  add_demo(program);
  add_doctor(program);
  add_list(program);
  add_inspect(program);
  add_bench(program);
  add_analyze(program);
  add_check(program);
  add_build(program);
  add_preload(program);
  add_stats(program);
  add_bench_deploy(program);
  add_bundle(program);
  add_cache(program);
  add_tune(program);
  add_tune_worker(program);
  add_profile(program);
  add_report(program);
  try {
    program.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return end_of_parse(program, error);
  }
  return run(program);
}
