// What the parts of `flashjit demo` share.
#pragma once

#include <string>
#include <vector>

#include "cli/captured_layers.h"
#include "cli/report.h"
#include "cli/tensors.h"
#include "cli/toolchain.h"

namespace flashjit::cli {

// Where the demo runs, and what it found out so far.
struct Demo {
  Report& report;
  const Toolchain& toolchain;
  const Device* device;  // null: the tensors live on the host
  int broken_bounds = 0;

  // One forward, finished when this returns.
  void run(Runtime& runtime, Tensors& tensors) const;
  // "ok" or "BROKEN", counted.
  std::string verdict(const Accuracy& accuracy);
};

// All kernel families of the device on the same layers, interleaved.
void compare_families(Demo& demo, const CapturedLayers& captured, std::vector<Tensors>& layers);

// Without a GPU: compiles what one would run for the layers, and shows its resources.
void show_gpu_variants(Demo& demo, const AttentionProblem& problem);

}  // namespace flashjit::cli
