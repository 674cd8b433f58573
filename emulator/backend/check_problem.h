// One attention problem on random inputs, and its exact result: what a check runs a variant on.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "flashjit/runtime.h"
#include "guarded_buffer.h"

namespace flashjit::emu {

enum class CheckInputs {
  kNormal,   // standard normal
  kLarge,    // Q and K times 4: row maxima rise by far more than 2^8 from block to block
  kSpecial,  // a NaN in Q, K and V and an infinity in V: only rows that see them may tell
};

struct CheckShape {
  int batch = 1, seqlen_q = 200, seqlen_kv = 200, num_heads_q = 2, num_heads_kv = 1;
  CheckInputs inputs = CheckInputs::kNormal;
  bool bhsd = false;      // the layout of all tensors; else batch, seqlen, heads, head_dim
  bool top_left = false;  // of causal: else bottom-right
  std::optional<float> softmax_scale = {};
};

class CheckProblem {
 public:
  // Tensors are dense; the inputs are the same for equal arguments.
  CheckProblem(const Problem& problem, const CheckShape& shape);

  AttentionArgs args() const;
  // NaN into O and LSE.
  void clear_output();
  std::vector<std::byte> output() const;  // O, then LSE

  struct Errors {
    double o = 0, lse = 0;
  };
  // "" or what is wrong with O and LSE. Raises `worst` to the largest errors seen;
  // infinite where a number should be and is none.
  std::string judge(Errors& worst) const;

 private:
  std::size_t bytes(int seqlen, int heads, int head_dim) const;
  std::size_t num_rows() const;
  TensorView view(const GuardedBuffer& buffer, int seqlen, int heads, int head_dim) const;
  std::string position(const TensorView& o, std::size_t row, std::size_t column) const;
  void fill_inputs();
  void place_special_values();
  void compute_reference();
  void compute_row(const std::vector<double> (&inputs)[3], int b, int h, int i);

  Problem problem_;
  CheckShape shape_;
  GuardedBuffer q_, k_, v_, o_, lse_;
  // Rows in the order batch, head, row.
  std::vector<double> reference_, reference_lse_;
  double largest_v_ = 0;  // finite ones
};

}  // namespace flashjit::emu
