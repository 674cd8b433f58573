// One line that shows how far many compiles are.
#pragma once

#include <string>

#include "cli/report.h"
#include "flashjit/runtime.h"

namespace flashjit::cli {

// "[######--------------] 12 of 40, 8 compiled, 1 failed, 3 s left"; what is zero is left out.
std::string progress_bar(const PreloadProgress& progress);

// For what may take minutes where nobody watches: as Report::progress on a terminal, and in a log,
// as that of a container, a line every ten seconds. One thread at a time.
void show_progress(const std::string& sentence, Report& report);

}  // namespace flashjit::cli
