// Variants that are compiled into a test program, with AddressSanitizer, UndefinedBehaviorSanitizer
// and line counts: few of them, chosen so that every line of kernel_src/ runs.
#pragma once
#include <vector>

#include "emulator/core/options.h"
#include "flashjit/runtime.h"

namespace flashjit::test {

struct Instrumented {
  KernelConfig config;
  emu::Stats (*run)(const AttentionArgs& args, const emu::Options& options);
};

std::vector<Instrumented> instrumented_standard();
std::vector<Instrumented> instrumented_simt();
std::vector<Instrumented> instrumented_sm80();
std::vector<Instrumented> instrumented_sm90();
std::vector<Instrumented> instrumented_sm90_wide();
std::vector<Instrumented> instrumented_sm90_shared();

}  // namespace flashjit::test
