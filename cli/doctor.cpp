// `flashjit doctor`: what this machine offers to flashjit, what is wrong, and what to do about it.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include "cli/doctor_checks.h"
#include "cli/program.h"
#include "flashjit/error.h"
#include "kernel_sources.h"

namespace flashjit::cli {
namespace {

const char* state_text(State state) {
  return state == State::kOk ? "ok" : state == State::kAbsent ? "absent" : "WRONG";
}

constexpr const char* kSettingAdvice =
    "other commands stop at it; correct or unset it. The other lines are with its default";

// What stops other commands: a malformed value, or kernel sources that cannot be read. Each
// such variable is unset, so that the rest can be looked at with the defaults.
std::vector<Finding> unset_malformed_settings() {
  std::vector<Finding> findings;
  const auto unset = [&](const std::string& variable, const std::string& message) {
    findings.push_back({"setting", State::kWrong, message, kSettingAdvice});
    unsetenv(variable.c_str());
  };
  const std::vector<SettingRow> variables = describe_settings();
  std::optional<Settings> settings;
  while (!settings) {
    try {
      settings = read_settings();
    } catch (const Error& error) {
      const std::string message = error.what();
      const auto wrong =
          std::find_if(variables.begin(), variables.end(), [&](const SettingRow& row) {
            return message.find(" " + row.variable + "=") != std::string::npos;
          });
      // One that was unset cannot be malformed again.
      if (wrong == variables.end()) throw;
      unset(wrong->variable, message);
    }
  }
  if (settings->kernel_dir.empty()) return findings;
  try {
    KernelSources::from_directory(settings->kernel_dir);
  } catch (const Error& error) {
    unset("FLASHJIT_KERNEL_DIR", std::string("FLASHJIT_KERNEL_DIR: ") + error.what());
  }
  return findings;
}

void show_settings(const std::vector<SettingRow>& rows, Report& report) {
  Table table({{"variable", "variable"}, {"value", "value"}, {"meaning", "meaning"}});
  for (const SettingRow& row : rows) {
    table.row({row.variable, row.value.empty() ? Json() : Json(row.value), row.meaning});
  }
  report.table("settings", "Settings, from the environment", table);
}

int run_doctor(Report& report) {
  const std::vector<SettingRow> given = describe_settings();
  std::vector<Finding> findings = unset_malformed_settings();
  const Toolchain toolchain;
  for (Finding& finding : check_machine(toolchain)) findings.push_back(std::move(finding));
  Json rows = Json::array();
  int wrong = 0;
  report.heading(fmt::format("flashjit {}", version()));
  for (const Finding& finding : findings) {
    wrong += finding.state == State::kWrong ? 1 : 0;
    rows.push_back({{"what", finding.what},
                    {"state", finding.state == State::kWrong ? "wrong" : state_text(finding.state)},
                    {"found", finding.found},
                    {"advice", finding.advice}});
    report.line(
        fmt::format("  {:<14} {:<7} {}", finding.what, state_text(finding.state), finding.found),
        25);
    if (!finding.advice.empty()) report.line(fmt::format("{:24} → {}", "", finding.advice), 27);
  }
  report.value("version", version());
  report.value("checks", std::move(rows));
  show_settings(given, report);
  report.note(wrong == 0 ? "Nothing is wrong." : fmt::format("{} of these need attention.", wrong));
  return wrong == 0 ? kExitOk : kExitFailure;
}

}  // namespace

void add_doctor(Program& program) {
  add_command(
      program, "doctor", "What is found on this machine, what is wrong, what to do", run_doctor);
}

}  // namespace flashjit::cli
