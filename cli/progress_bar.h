// One line that shows how far something is.
#pragma once

#include <string>
#include <string_view>

#include "cli/report.h"
#include "flashjit/runtime.h"

namespace flashjit::cli {

// "[######------]"; full where `total` is 0.
std::string bar(std::size_t done, std::size_t total, std::size_t width);

// As much of `line` as `columns` of a terminal show.
std::string_view fit_line(std::string_view line, std::size_t columns);

// Of many compiles: "[######--------------] 12 of 40, 8 compiled, 1 failed, 3 s left"; what is zero
// is left out.
std::string progress_bar(const PreloadProgress& progress);

// For what may take minutes where nobody watches: as Report::progress on a terminal, and in a log,
// as that of a container, a line every ten seconds. One thread at a time.
void show_progress(const std::string& sentence, Report& report);

}  // namespace flashjit::cli
