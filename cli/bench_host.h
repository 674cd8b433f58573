// `flashjit bench --host`: what a call costs the host: warm, beside a bare launch of the same
// kernel; the first call with an empty cache; and a first call that the disk cache answers.
#pragma once

#include "cli/attention_problem.h"
#include "cli/report.h"
#include "device.h"

namespace flashjit::cli {

int bench_host(const AttentionProblem& problem, const Device& device, Report& report);

}  // namespace flashjit::cli
