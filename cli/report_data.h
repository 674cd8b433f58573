// Tuning records as one JSON document, what `flashjit report` shows: problems with their
// candidates, the devices' roofs, what peers reach, and the variants that won with their resources
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
  std::vector<std::string> baselines = {};  // texts as report_baseline.h takes them
  // So many winners of each device are shown as source, PTX and SASS: one of every dtype, head_dim
  // and mask before a second of any, that of the largest problem first.
  int code_variants = 6;
  std::vector<std::string> here = {};  // the GPUs of this machine: one of them is shown first
};

// Compiles the variants that it tells about, where there is a compiler. Throws Error(kData) for a
// malformed baseline.
Json report_data(const ReportInput& input, Toolchain& toolchain, Report& report);

// A problem without its sizes, "bf16 d128 causal", and a variant without its problem, "sm90
// m128n96s2_static".
std::string kind_text(const Problem& problem);
std::string tiling_text(const KernelConfig& config);

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
