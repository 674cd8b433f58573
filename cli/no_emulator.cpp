// Stands in for check.cpp in a build without the emulator.
#include "cli/program.h"
#include "flashjit/error.h"

namespace flashjit::cli {

void add_check(Program&) {}

void use_emulator() {
  throw Error(ErrorCode::kNotSupported, "this program was built without the emulator");
}

}  // namespace flashjit::cli
