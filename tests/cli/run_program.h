// Runs the built program as a shell would and keeps what it says.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace flashjit::test {

struct ProgramRun {
  int exit_code = -1;  // -1: killed by a signal
  std::string out, err;

  nlohmann::json json() const { return nlohmann::json::parse(out); }
};

// `environment` is put in front of the command: "NAME=value NAME=value". The cache is a fresh
// directory unless it names one.
ProgramRun run_program(const std::string& arguments, const std::string& environment = "");

// Whether the program finds NVRTC, nvdisasm, …: what `doctor` calls it.
bool machine_has(const std::string& what);

}  // namespace flashjit::test
