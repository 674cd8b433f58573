// The report as one HTML page that needs no network: cli/report_page/ with the data inside.
// `flashjit report` and `flashjit tune --report` write it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/report_data.h"

namespace flashjit::cli {

// The page about `data`, as report_data() makes it.
std::string report_page(const Json& data);

// The page about `records`, with the peers' baselines that the program carries. Compiles the
// variants that it shows, where there is a compiler. Throws Error(kIo), Error(kData) when there is
// no record.
void write_report_page(const std::filesystem::path& path,
                       std::vector<TuningRecord> records,
                       Toolchain& toolchain,
                       Report& report);

// bench/baselines/h100.json and bench/results/h200.json as the build embedded them.
std::vector<std::string> shipped_baselines();

}  // namespace flashjit::cli
