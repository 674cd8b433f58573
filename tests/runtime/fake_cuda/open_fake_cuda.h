// Opens the fake libcuda for a test.
#pragma once

#include "runtime/fake_cuda/fake_cuda.h"
#include "settings.h"

namespace flashjit::test {

// The fake driver in its first state.
FakeCuda& fresh_fake_cuda();

const char* fake_cuda_path();

// Settings that open it, and no compiler.
Settings fake_cuda_settings();

}  // namespace flashjit::test
