// `flashjit bench --compile`: what NVRTC needs for the sm90 variants that the heuristic can choose,
// one after the other on one thread, no cache anywhere. Needs no GPU.
#pragma once

#include <filesystem>
#include <vector>

#include "cli/report.h"
#include "flashjit/kernel_config.h"

namespace flashjit::cli {

// Each once: head dims × masks × LSE × the default tilings, bf16 (fp16 compiles the same text).
std::vector<KernelConfig> selectable_sm90_configs(const std::vector<int>& head_dims);

// `out` also gets the rows, if not empty. Throws Error(kNoCompiler).
int bench_compile(const std::vector<int>& head_dims,
                  const std::filesystem::path& out,
                  Report& report);

}  // namespace flashjit::cli
