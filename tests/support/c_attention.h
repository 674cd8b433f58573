// A call as the C ABI takes it.
#pragma once

#include "flashjit/c_api.h"
#include "flashjit/runtime.h"

namespace flashjit::test {

flashjit_attention to_c(const AttentionArgs& args);

}  // namespace flashjit::test
