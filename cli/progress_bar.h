// One line that shows how far many compiles are.
#pragma once

#include <string>

#include "flashjit/runtime.h"

namespace flashjit::cli {

// "[######--------------] 12 of 40, 8 compiled, 1 failed, 3 s left"; what is zero is left out.
std::string progress_bar(const PreloadProgress& progress);

}  // namespace flashjit::cli
