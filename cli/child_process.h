// Another program, or this one again, run to its end.
#pragma once

#include <string>
#include <vector>

namespace flashjit::cli {

struct ChildResult {
  std::string output;
  int status = 0;  // as waitpid() tells it; 0: it succeeded
};

enum class ChildErrors { kCaptured, kInherited };  // where its stderr goes

// Without a shell; `arguments[0]` is the path of the program. Throws Error(kIo) when it cannot be
// started.
ChildResult run_program(std::vector<std::string> arguments, ChildErrors errors);

}  // namespace flashjit::cli
