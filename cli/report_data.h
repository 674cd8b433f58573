// Tuning records as one JSON document, what `flashjit report` shows: problems with their
// candidates, the machine's roofs, what peers reach, and the variants that won with their resources
// and code.
#pragma once

#include <string>
#include <vector>

#include "cli/report.h"
#include "cli/toolchain.h"
#include "tuning_record.h"

namespace flashjit::cli {

struct ReportInput {
  std::vector<TuningRecord> records;
  std::string baseline;   // JSON in the format of bench/baselines/h100.json; "": no peers
  int code_variants = 6;  // the winners of so many problems are shown as source, PTX and SASS
};

// Compiles the variants that it tells about, where there is a compiler. Throws Error(kData) for a
// malformed baseline.
Json report_data(const ReportInput& input, Toolchain& toolchain, Report& report);

// What peers reach at the record's problem, {"cuDNN": TFLOP/s, …}, or null: where the baseline's
// "device" is another model, too. `baseline` is parsed.
Json peers_of(const TuningRecord& record, const Json& baseline);

// Resources, occupancy and instruction mix of each variant, with its code where `with_code` says
// so; "error" where it does not compile.
struct ReportVariant {
  KernelConfig config;
  bool with_code = false;
};
Json report_variants(const std::vector<ReportVariant>& variants,
                     Toolchain& toolchain,
                     Report& report);

}  // namespace flashjit::cli
