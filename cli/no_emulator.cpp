// Stands in for check.cpp in a build without the emulator.
#include "cli/program.h"

namespace flashjit::cli {

void add_check(Program&) {}

}  // namespace flashjit::cli
