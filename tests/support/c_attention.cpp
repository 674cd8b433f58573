#include "support/c_attention.h"

#include <algorithm>

namespace flashjit::test {
namespace {

flashjit_tensor to_c(const TensorView& view) {
  flashjit_tensor tensor{};
  tensor.data = view.data;
  tensor.dtype = static_cast<int>(view.dtype);
  std::ranges::copy(view.shape, tensor.shape);
  std::ranges::copy(view.strides, tensor.strides);
  return tensor;
}

}  // namespace

flashjit_attention to_c(const AttentionArgs& args) {
  flashjit_attention attention{};
  attention.struct_size = sizeof attention;
  attention.q = to_c(args.q), attention.k = to_c(args.k);
  attention.v = to_c(args.v), attention.o = to_c(args.o);
  attention.causal = args.causal;
  attention.alignment = static_cast<int>(args.alignment);
  attention.has_softmax_scale = args.softmax_scale.has_value();
  attention.softmax_scale = args.softmax_scale.value_or(0);
  attention.lse = args.lse;
  attention.workspace = args.workspace;
  attention.workspace_size = args.workspace_size;
  return attention;
}

}  // namespace flashjit::test
