// What `ptxas -v` says of a variant. The log is the source because the numbers are wanted without a
// driver, and a cubin does not tell spills from other stack use. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flashjit/runtime.h"

namespace flashjit {

// Registers, spills, stack and static shared memory: the largest of each over the kernels of the
// log. Dynamic shared memory and threads are not in it. Zeros where the log has no ptxas lines.
ResourceUse parse_ptxas_resources(std::string_view log);

// One line per warning of the compiler or ptxas and per function that spills, in order. Empty for
// a variant as it should be.
std::vector<std::string> find_compile_warnings(std::string_view log);

// The log without the lines that tell how long something took: equal for equal compilations.
std::string without_compile_times(std::string_view log);

}  // namespace flashjit
