#include "cli/captured_layers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/scalar.h"

namespace flashjit::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFileName = "minilm_attention.safetensors";

// Tensor `name`, which must be fp16 of `shape` ([batch, seqlen, heads, head_dim]); an empty shape
// takes any.
const SafeTensor& fp16_tensor(const SafetensorsFile& file,
                              const std::string& name,
                              const std::vector<std::int64_t>& shape) {
  const SafeTensor& tensor = file.tensor(name);
  if (tensor.dtype != "F16" || tensor.shape.size() != 4 ||
      (!shape.empty() && tensor.shape != shape)) {
    throw Error(ErrorCode::kData,
                fmt::format("tensor {} is {} [{}]; expected F16 [batch, seqlen, heads, head_dim], "
                            "the same for q, k, "
                            "v and o of a layer",
                            name,
                            tensor.dtype,
                            fmt::join(tensor.shape, ", ")));
  }
  return tensor;
}

CapturedLayer load_layer(const SafetensorsFile& file, int index) {
  const std::string prefix = fmt::format("layer{}.", index);
  const SafeTensor q = fp16_tensor(file, prefix + "q", {});
  CapturedLayer layer;
  layer.name = fmt::format("layer {}", index);
  layer.problem = {.dtype = Dtype::kFp16,
                   .batch = static_cast<int>(q.shape[0]),
                   .seqlen_q = static_cast<int>(q.shape[1]),
                   .seqlen_kv = static_cast<int>(q.shape[1]),
                   .num_heads_q = static_cast<int>(q.shape[2]),
                   .num_heads_kv = static_cast<int>(q.shape[2]),
                   .head_dim = static_cast<int>(q.shape[3]),
                   .causal = false};
  layer.q = q.bytes.data();
  layer.k = fp16_tensor(file, prefix + "k", q.shape).bytes.data();
  layer.v = fp16_tensor(file, prefix + "v", q.shape).bytes.data();
  layer.o = fp16_tensor(file, prefix + "o", q.shape).bytes.data();
  return layer;
}

}  // namespace

CapturedLayers::CapturedLayers(const fs::path& path) : file_(path) {
  for (int i = 0; file_.contains(fmt::format("layer{}.q", i)); ++i)
    layers_.push_back(load_layer(file_, i));
  if (layers_.empty()) throw Error(ErrorCode::kData, path.string() + " has no tensor layer0.q");
  for (const CapturedLayer& layer : layers_) {
    std::vector<double>& own = own_output_.emplace_back(layer.problem.q_elements());
    for (std::size_t i = 0; i < own.size(); ++i)
      own[i] = load_element(layer.o, layer.problem.dtype, i);
    const AttentionProblem& problem = layer.problem;
    bounds_.push_back(rounding_bounds(problem.dtype,
                                      exact_attention(problem, layer.q, layer.k, layer.v),
                                      low_precision_attention(problem, layer.q, layer.k, layer.v)));
  }
}

Accuracy CapturedLayers::judge_layer(std::size_t i, const void* out) const {
  return judge(out, layers_[i].problem.dtype, own_output_[i], bounds_[i]);
}

fs::path find_captured_layers(const std::string& chosen) {
  if (!chosen.empty()) return chosen;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const std::vector<fs::path> places{
      program.parent_path().parent_path() / "share" / "flashjit" / kFileName,
      fs::path("tests") / "data" / kFileName,
      fs::path(FLASHJIT_DATA_DIR) / kFileName};
  for (const fs::path& place : places) {
    if (fs::exists(place, ignored)) return place;
  }
  std::vector<std::string> names;
  for (const fs::path& place : places) names.push_back(place.string());
  throw Error(ErrorCode::kIo,
              fmt::format("the captured layers were not found in {}; name the file with --data",
                          fmt::join(names, ", ")));
}

}  // namespace flashjit::cli
