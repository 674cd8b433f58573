#include "tma_layout.h"

#include <limits>

#include "support/catch.h"

using namespace flashjit;

namespace {

struct Call {
  KernelConfig config;
  AttentionArgs args;
  ProblemShape shape;
};

// Q, K, V inside one fused [batch, seqlen, 3, heads, columns] tensor, as a projection writes it.
Call fused_call(int head_dim, int batch, int heads, int seqlen) {
  static std::uint16_t memory[16];
  const std::int64_t row = 3 * std::int64_t(heads) * head_dim;
  Call call;
  call.config.problem.head_dim_qk = call.config.problem.head_dim_v = head_dim;
  call.config.tiling.family = Family::kSm90;
  call.config.tiling.block_m = 192;
  call.config.tiling.block_n = 80;
  const TensorView view = {.data = memory,
                           .dtype = Dtype::kBf16,
                           .shape = {batch, seqlen, heads, head_dim},
                           .strides = {row * seqlen, row, head_dim, 1}};
  call.args.q = call.args.k = call.args.v = call.args.o = view;
  call.args.k.data = memory + 8;
  call.shape.batch = batch;
  call.shape.num_heads_q = call.shape.num_heads_kv = heads;
  call.shape.seqlen_q = call.shape.seqlen_kv = seqlen;
  call.shape.softmax_scale = 0.125f;
  call.shape.q_stride = call.shape.k_stride = call.shape.v_stride =
      call.shape.o_stride = {row * seqlen, row, head_dim};
  return call;
}

// Elements from the base to [batch, row, head, column], or -1 outside of the tensor: how TMA reads
// a map whose panels are stepped through when they are a dimension, and are columns else.
std::int64_t locate(const TensorMapSpec& map, int batch, int row, int head, int column) {
  const bool panels = map.dims[2] > 1 || map.dims[0] == 64;
  const std::uint64_t at[5] = {std::uint64_t(panels ? column % 64 : column),
                               std::uint64_t(row),
                               std::uint64_t(panels ? column / 64 : 0),
                               std::uint64_t(head),
                               std::uint64_t(batch)};
  std::uint64_t bytes = 2 * at[0];
  for (std::size_t d = 0; d < 5; ++d) {
    if (at[d] >= map.dims[d]) return -1;
    if (d > 0) bytes += at[d] * map.strides[d - 1];
  }
  return std::int64_t(bytes / 2);
}

}  // namespace

TEST_CASE("tensor maps reach every element of a fused tensor and nothing beside a head") {
  for (const int head_dim : {8, 64, 72, 128, 160, 192, 256}) {
    const Call call = fused_call(head_dim, 3, 5, 300);
    const Sm90TensorMaps maps = sm90_tensor_maps(call.config, call.args, call.shape);
    const auto& strides = call.args.q.strides;
    for (const TensorMapSpec* map : {&maps.q, &maps.k, &maps.v, &maps.o}) {
      for (const int batch : {0, 2}) {
        for (const int row : {0, 1, 299}) {
          for (const int head : {0, 4}) {
            for (const int column : {0, head_dim / 2, head_dim - 1}) {
              CAPTURE(head_dim, batch, row, head, column);
              CHECK(locate(*map, batch, row, head, column) ==
                    batch * strides[0] + row * strides[1] + head * strides[2] + column);
            }
            // What a box reaches past the head must be outside of the tensor, so that it is zero.
            if (head_dim % 64 != 0) CHECK(locate(*map, batch, row, head, head_dim) == -1);
          }
        }
      }
      CHECK(locate(*map, 0, 300, 0, 0) == -1);
      CHECK(locate(*map, 3, 0, 0, 0) == -1);
    }
  }
}

TEST_CASE("boxes are what the kernel expects in one load") {
  Call call = fused_call(128, 1, 2, 1000);
  Sm90TensorMaps maps = sm90_tensor_maps(call.config, call.args, call.shape);
  using Box = std::array<std::uint32_t, 5>;
  CHECK(maps.q.box == Box{64, 64, 2, 1, 1});  // one for each warpgroup
  CHECK(maps.k.box == Box{64, 80, 2, 1, 1});
  CHECK(maps.v.box == Box{64, 80, 2, 1, 1});
  CHECK(maps.o.box == Box{64, 64, 1, 1, 1});
  call = fused_call(72, 1, 2, 1000);
  maps = sm90_tensor_maps(call.config, call.args, call.shape);
  CHECK(maps.q.box == Box{64, 64, 1, 1, 1});
  CHECK(maps.k.base == call.args.k.data);
}

TEST_CASE("the last panel of Q, K and O has a map of its own where a narrower swizzle will do") {
  const auto maps_of = [](int head_dim) {
    const Call call = fused_call(head_dim, 1, 2, 1000);
    return sm90_tensor_maps(call.config, call.args, call.shape);
  };
  struct Expected {
    int head_dim;
    std::uint32_t columns;
  };
  for (const auto& [head_dim, columns] :
       {Expected{8, 16}, {16, 16}, {24, 32}, {72, 16}, {80, 16}, {88, 32}, {96, 32}, {224, 32}}) {
    CAPTURE(head_dim);
    const Sm90TensorMaps maps = maps_of(head_dim);
    REQUIRE((maps.q_tail && maps.k_tail && maps.o_tail));
    for (const auto& [whole, tail] :
         {std::pair(maps.q, *maps.q_tail), {maps.k, *maps.k_tail}, {maps.o, *maps.o_tail}}) {
      TensorMapSpec wanted = whole;
      wanted.box[0] = columns;
      wanted.swizzle_bytes = int(2 * columns);
      CHECK(tail == wanted);
    }
  }
  for (const int head_dim : {40, 64, 104, 128, 192, 256}) {
    CAPTURE(head_dim);
    const Sm90TensorMaps maps = maps_of(head_dim);
    CHECK_FALSE((maps.q_tail || maps.k_tail || maps.o_tail));
  }
  Call call = fused_call(72, 1, 2, 1000);
  call.config.problem.head_dim_v = 96;
  const Sm90TensorMaps maps = sm90_tensor_maps(call.config, call.args, call.shape);
  REQUIRE((maps.k_tail && maps.o_tail));
  CHECK(maps.k_tail->swizzle_bytes == 32);
  CHECK(maps.o_tail->swizzle_bytes == 64);
}

TEST_CASE("V's last panel has a box without the columns past the head where ones stand there") {
  Call call = fused_call(72, 1, 2, 1000);
  CHECK_FALSE(sm90_tensor_maps(call.config, call.args, call.shape).v_tail);
  call.config.tiling.row_sum_by_mma = true;
  const Sm90TensorMaps maps = sm90_tensor_maps(call.config, call.args, call.shape);
  REQUIRE(maps.v_tail);
  CHECK(maps.v_tail->box == std::array<std::uint32_t, 5>{8, 80, 1, 1, 1});
  CHECK(maps.v_tail->dims == maps.v.dims);
  CHECK(maps.v_tail->base == maps.v.base);
  call = fused_call(64, 1, 2, 1000);  // the ones have a panel of their own
  call.config.tiling.row_sum_by_mma = true;
  CHECK_FALSE(sm90_tensor_maps(call.config, call.args, call.shape).v_tail);
}

TEST_CASE("dimensions of one element get a legal stride whatever the view says") {
  Call call = fused_call(128, 1, 1, 1);
  call.shape.q_stride = {0, 0, 0};
  call.shape.k_stride = {-8, std::numeric_limits<std::int64_t>::max(), 3};
  REQUIRE(sm90_supports(call.config.problem, call.shape));
  const Sm90TensorMaps maps = sm90_tensor_maps(call.config, call.args, call.shape);
  for (const TensorMapSpec* map : {&maps.q, &maps.k}) {
    for (const std::uint64_t stride : map->strides) {
      CHECK(stride % 16 == 0);
      CHECK(stride > 0);
      CHECK(stride < (std::uint64_t(1) << 40));
    }
  }
}

TEST_CASE("what TMA cannot express is left to sm80, with a reason") {
  const Call call = fused_call(128, 2, 4, 1000);
  const Problem& problem = call.config.problem;
  REQUIRE(why_not_sm90(problem, call.shape) == nullptr);
  const auto unsupported = [&](auto change) {
    ProblemShape shape = call.shape;
    change(shape);
    return why_not_sm90(problem, shape) != nullptr;
  };
  CHECK(unsupported([](ProblemShape& s) { s.seqlen_kv = 0; }));
  CHECK(unsupported([](ProblemShape& s) { s.k_stride.head = 0; }));
  CHECK(unsupported([](ProblemShape& s) { s.v_stride.batch = 0; }));
  CHECK(unsupported([](ProblemShape& s) { s.q_stride.seq = -128; }));
  CHECK(unsupported([](ProblemShape& s) { s.o_stride.seq = 4; }));
  CHECK(unsupported([](ProblemShape& s) { s.q_stride.batch = std::int64_t(1) << 39; }));
  CHECK_FALSE(unsupported([](ProblemShape& s) { s.q_stride.batch = (std::int64_t(1) << 39) - 8; }));
  constexpr std::int64_t kWraps = std::numeric_limits<std::int64_t>::min() + 8;  // twice it is 16
  CHECK(unsupported([](ProblemShape& s) { s.k_stride.seq = kWraps; }));
  CHECK(unsupported([](ProblemShape& s) { s.softmax_scale = -1.0f; }));
  CHECK(unsupported([](ProblemShape& s) { s.seqlen_q = 0x7fffffff; }));
  CHECK_FALSE(unsupported([](ProblemShape& s) { s.softmax_scale = 0.0f; }));
  CHECK_FALSE(unsupported([](ProblemShape& s) { s.seqlen_q = 1; }));
  Problem fp32 = problem;
  fp32.dtype = Dtype::kFp32;
  CHECK_FALSE(sm90_supports(fp32, call.shape));
}
