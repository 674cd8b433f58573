// What `flashjit doctor` looks for.
#pragma once

#include <string>
#include <vector>

#include "cli/toolchain.h"

namespace flashjit::cli {

enum class State { kOk, kAbsent, kWrong };

// One thing that was looked for. Absent things are optional: flashjit works without them, with
// less.
struct Finding {
  std::string what;
  State state = State::kOk;
  std::string found;   // what is there, or what went wrong
  std::string advice;  // "" when there is nothing to do
};

// The driver and its device, NVRTC, bundles, cache, tuning records, CPU, compiler, disassembler.
std::vector<Finding> check_machine(const Toolchain& toolchain);

}  // namespace flashjit::cli
