// The attention layers of a real transformer that the demo runs: Q, K, V and the model's own output
// of each layer.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/accuracy.h"
#include "cli/safetensors.h"

namespace flashjit::cli {

// Pointers into the mapped file.
struct CapturedLayer {
  std::string name;  // "layer 0"
  AttentionProblem problem;
  const void *q = nullptr, *k = nullptr, *v = nullptr, *o = nullptr;
};

class CapturedLayers {
 public:
  // Throws Error(kIo) or Error(kData) naming the file and what is wrong with it.
  explicit CapturedLayers(const std::filesystem::path& path);

  const std::vector<CapturedLayer>& layers() const { return layers_; }

  // The error of `out` against the model's own output, with the bound that layer `i` allows.
  Accuracy judge_layer(std::size_t i, const void* out) const;

 private:
  SafetensorsFile file_;
  std::vector<CapturedLayer> layers_;
  std::vector<std::vector<double>> own_output_;  // of each layer
  std::vector<Bounds> bounds_;                   // from the inputs alone
};

// `chosen`, or where a build, an installation or the current directory has the captured file.
// Throws Error(kIo) that names the places.
std::filesystem::path find_captured_layers(const std::string& chosen);

}  // namespace flashjit::cli
