#include "problem.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "support/catch.h"

namespace flashjit {
namespace {

alignas(256) std::byte g_memory[5][64];

// A legal call, whose tensors are larger than their memory: validate() reads none of it.
AttentionArgs legal_args() {
  AttentionArgs args;
  args.q = bshd(g_memory[0], Dtype::kBf16, 2, 100, 6, 64);
  args.k = bshd(g_memory[1], Dtype::kBf16, 2, 200, 3, 64);
  args.v = bshd(g_memory[2], Dtype::kBf16, 2, 200, 3, 128);
  args.o = bshd(g_memory[3], Dtype::kBf16, 2, 100, 6, 128);
  return args;
}

struct BadCall {
  std::function<void(AttentionArgs&)> spoil;
  std::vector<std::string> words;  // that the message has to contain
};

void check_rejected(const std::vector<BadCall>& calls) {
  for (const BadCall& call : calls) {
    AttentionArgs args = legal_args();
    call.spoil(args);
    std::string message = "accepted";
    try {
      validate(args);
    } catch (const Error& error) {
      message = error.what();
      REQUIRE(error.code() == ErrorCode::kInvalidArgument);
    }
    for (const std::string& word : call.words) REQUIRE_THAT(message, ContainsSubstring(word));
  }
}

void* shifted(void* pointer, int bytes) { return static_cast<std::byte*>(pointer) + bytes; }

// Σ over rows of the keys seen, row by row.
double count_flops(const Problem& problem, const ProblemShape& shape) {
  double visible = 0;
  for (int row = 0; row < shape.seqlen_q; ++row)
    for (int key = 0; key < shape.seqlen_kv; ++key)
      visible += problem.mask == MaskKind::kNone || key <= row + shape.diagonal;
  return visible * shape.batch * shape.num_heads_q * 2 * (problem.head_dim_qk + problem.head_dim_v);
}

}  // namespace

TEST_CASE("validate takes a legal call apart") {
  AttentionArgs args = legal_args();
  args.causal = true;
  const auto [problem, shape] = validate(args);
  REQUIRE(problem == Problem{.dtype = Dtype::kBf16,
                             .head_dim_qk = 64,
                             .head_dim_v = 128,
                             .mask = MaskKind::kCausal,
                             .return_lse = false});
  REQUIRE(shape.batch == 2);
  REQUIRE(shape.seqlen_q == 100);
  REQUIRE(shape.seqlen_kv == 200);
  REQUIRE(shape.num_heads_q == 6);
  REQUIRE(shape.num_heads_kv == 3);
  REQUIRE(shape.diagonal == 100);
  REQUIRE(shape.softmax_scale == 0.125f);
  REQUIRE(shape.q_stride == Strides{100 * 6 * 64, 6 * 64, 64});
  REQUIRE(shape.v_stride == Strides{200 * 3 * 128, 3 * 128, 128});

  args.alignment = CausalAlignment::kTopLeft;
  args.softmax_scale = -2.0f;
  args.lse = reinterpret_cast<float*>(g_memory[4]);
  REQUIRE(validate(args).shape.diagonal == 0);
  REQUIRE(validate(args).shape.softmax_scale == -2.0f);
  REQUIRE(validate(args).problem.return_lse);
}

TEST_CASE("empty calls, broadcast inputs and unused strides are legal") {
  AttentionArgs args = legal_args();
  args.k.shape[1] = args.v.shape[1] = 0;
  args.k.data = args.v.data = nullptr;
  REQUIRE(validate(args).shape.seqlen_kv == 0);

  args = legal_args();
  args.q.shape[1] = args.o.shape[1] = 0;
  args.q.data = args.o.data = nullptr;
  REQUIRE(validate(args).shape.seqlen_q == 0);

  args = legal_args();
  for (TensorView* tensor : {&args.q, &args.k, &args.v, &args.o}) tensor->shape[0] = 0;
  REQUIRE(validate(args).shape.batch == 0);

  args = legal_args();
  args.k.strides[0] = args.k.strides[2] = args.v.strides[1] = 0;
  REQUIRE(validate(args).shape.k_stride.head == 0);

  // What PyTorch leaves in the stride of a dimension of size 1.
  args = legal_args();
  for (TensorView* tensor : {&args.q, &args.k, &args.v, &args.o}) {
    tensor->shape[0] = 1;
    tensor->strides[0] = 1;
  }
  REQUIRE(validate(args).shape.q_stride.batch % 8 == 0);
}

TEST_CASE("a call without pointers passes only where none are needed") {
  AttentionArgs args = legal_args();
  args.q.data = args.k.data = args.v.data = args.o.data = nullptr;
  REQUIRE_NOTHROW(validate(args, false));
  REQUIRE_THROWS_AS(validate(args), Error);
}

TEST_CASE("bad pointers are named") {
  check_rejected({
      {[](AttentionArgs& a) { a.q.data = nullptr; }, {"q.data is null"}},
      {[](AttentionArgs& a) { a.k.data = nullptr; }, {"k.data is null"}},
      {[](AttentionArgs& a) { a.v.data = nullptr; }, {"v.data is null"}},
      {[](AttentionArgs& a) { a.o.data = nullptr; }, {"o.data is null"}},
      {[](AttentionArgs& a) { a.k.data = shifted(a.k.data, 8); },
       {"k is at", "aligned to 16 bytes"}},
      {[](AttentionArgs& a) { a.o.data = shifted(a.o.data, 2); },
       {"o is at", "aligned to 16 bytes"}},
      {[](AttentionArgs& a) { a.lse = static_cast<float*>(shifted(g_memory[4], 2)); },
       {"lse", "4 bytes"}},
      {[](AttentionArgs& a) { a.workspace = shifted(g_memory[4], 16); },
       {"workspace", "256 bytes"}},
      {[](AttentionArgs& a) { a.workspace_size = 8; }, {"workspace is null", "8"}},
      {[](AttentionArgs& a) { a.o.data = a.v.data; }, {"o.data is v.data"}},
  });
}

TEST_CASE("bad dtypes are named") {
  check_rejected({
      {[](AttentionArgs& a) { a.q.dtype = static_cast<Dtype>(7); }, {"q.dtype", "7", "fp16 (0)"}},
      {[](AttentionArgs& a) { a.k.dtype = Dtype::kFp16; }, {"k.dtype is fp16", "q.dtype is bf16"}},
      {[](AttentionArgs& a) { a.v.dtype = static_cast<Dtype>(-1); }, {"v.dtype is -1"}},
      {[](AttentionArgs& a) { a.o.dtype = Dtype::kFp32; }, {"o.dtype is fp32"}},
  });
}

TEST_CASE("bad shapes are named") {
  const auto head_dim = [](int value) {
    return [value](AttentionArgs& a) { a.q.shape[3] = a.k.shape[3] = value; };
  };
  check_rejected({
      {head_dim(12), {"q.shape[3] (head_dim) is 12", "multiple of 8", "zeros to 16"}},
      {head_dim(264), {"head_dim) is 264", "256"}},
      {head_dim(0), {"head_dim) is 0"}},
      {[](AttentionArgs& a) { a.q.shape[1] = -1; }, {"q.shape[1] (seqlen) is -1", "negative"}},
      {[](AttentionArgs& a) { a.q.shape[1] = std::int64_t{1} << 40; }, {"q.shape[1]", "the most"}},
      {[](AttentionArgs& a) { a.q.shape[2] = 0; }, {"q.shape[2] (heads) is 0"}},
      {[](AttentionArgs& a) { a.k.shape[0] = 3; }, {"k.shape[0] (batch) is 3", "q.shape[0] is 2"}},
      {[](AttentionArgs& a) { a.k.shape[3] = 72; }, {"k.shape[3]", "q.shape[3] is 64"}},
      {[](AttentionArgs& a) { a.v.shape[1] = 199; },
       {"v.shape[1] (seqlen) is 199", "k.shape[1] is 200"}},
      {[](AttentionArgs& a) { a.v.shape[2] = 6; }, {"v.shape[2] (heads)", "k.shape[2]"}},
      {[](AttentionArgs& a) { a.o.shape[1] = 99; }, {"o.shape[1]", "q.shape[1]"}},
      {[](AttentionArgs& a) { a.o.shape[2] = 3; }, {"o.shape[2]", "q.shape[2]"}},
      {[](AttentionArgs& a) { a.o.shape[3] = 64; }, {"o.shape[3]", "v.shape[3] is 128"}},
      {[](AttentionArgs& a) { a.k.shape[2] = a.v.shape[2] = 4; }, {"q.shape[2]", "4 heads of k"}},
      {[](AttentionArgs& a) {
         for (TensorView* t : {&a.q, &a.k, &a.v, &a.o}) t->shape[0] = 1 << 28;
       },
       {"batch x heads x seqlen"}},
  });
}

TEST_CASE("bad strides are named") {
  static constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  check_rejected({
      {[](AttentionArgs& a) { a.q.strides[3] = 2; }, {"q.strides[3]", "contiguous"}},
      {[](AttentionArgs& a) { a.k.strides[1] = 196; },
       {"k.strides[1] (seqlen) is 196", "16 bytes"}},
      {[](AttentionArgs& a) { a.v.strides[2] = -128; }, {"v.strides[2]", "negative"}},
      {[](AttentionArgs& a) { a.q.strides[0] = kHuge; }, {"q: the last element", "2^63"}},
      {[](AttentionArgs& a) { a.k.strides[1] = kHuge; }, {"k: the last element", "2^63"}},
      {[](AttentionArgs& a) { a.o.strides[1] = 0; }, {"o.strides[1] (seqlen) is 0", "overlap"}},
      {[](AttentionArgs& a) { a.o.strides[2] = 64; },
       {"o.strides[2] (heads) is 64", "at least 128"}},
      {[](AttentionArgs& a) { a.o.strides[0] = 6 * 128; }, {"overlap"}},
  });
}

TEST_CASE("bad options are named") {
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();
  check_rejected({
      {[](AttentionArgs& a) { a.softmax_scale = kInfinity; }, {"softmax_scale is inf", "finite"}},
      {[](AttentionArgs& a) { a.softmax_scale = std::nanf(""); }, {"softmax_scale is nan"}},
      {[](AttentionArgs& a) { a.alignment = static_cast<CausalAlignment>(2); }, {"alignment is 2"}},
  });
}

TEST_CASE("an output may be any layout whose elements do not overlap") {
  AttentionArgs args = legal_args();
  args.o = bhsd(g_memory[3], Dtype::kBf16, 2, 6, 100, 128);
  REQUIRE_NOTHROW(validate(args));
  args.o.strides = {128, 2 * 6 * 128, 2 * 128, 1};  // batch innermost
  REQUIRE_NOTHROW(validate(args));
}

TEST_CASE("flop_count counts the visible scores") {
  Problem problem{.head_dim_qk = 64, .head_dim_v = 32};
  for (const MaskKind mask : {MaskKind::kNone, MaskKind::kCausal})
    for (const int seqlen_q : {0, 1, 7, 40})
      for (const int seqlen_kv : {0, 1, 7, 40})
        for (const int diagonal : {0, seqlen_kv - seqlen_q}) {
          problem.mask = mask;
          ProblemShape shape;
          shape.batch = 2;
          shape.num_heads_q = 3;
          shape.seqlen_q = seqlen_q;
          shape.seqlen_kv = seqlen_kv;
          shape.diagonal = diagonal;
          REQUIRE(flop_count(problem, shape) == count_flops(problem, shape));
        }
}

TEST_CASE("the scale for exp2 is positive") {
  REQUIRE(scale_log2(1.0f) == Approx(1.442695f));
  REQUIRE(scale_log2(-1.0f) == scale_log2(1.0f));
  REQUIRE(scale_log2(0.0f) > 0.0f);
}

TEST_CASE("kernel parameters carry the call") {
  AttentionArgs args = legal_args();
  args.softmax_scale = -0.5f;
  const FwdParams params = make_fwd_params(args, validate(args).shape);
  REQUIRE(params.q == args.q.data);
  REQUIRE(params.o == args.o.data);
  REQUIRE(params.heads_per_kv == 2);
  REQUIRE(params.negate_q);
  REQUIRE(params.softmax_scale == -0.5f);
  REQUIRE(params.k_stride == Strides{200 * 3 * 64, 3 * 64, 64});
}

}  // namespace flashjit
