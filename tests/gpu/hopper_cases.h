// What the tests of the Hopper family share: runtimes that are forced to its tilings, and problems
// that are computed again and again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gpu/check_cases.h"
#include "gpu/cuda_test_device.h"
#include "kernel_src/variant_plan.h"
#include "sm90_tiling.h"
#include "support/catch.h"
#include "support/check_attention.h"
#include "variant_name.h"

namespace flashjit::test {

// Says so where it is none: the test that asks returns then.
inline bool is_hopper() {
  const Arch arch = gpu().info().arch;
  const bool hopper = arch.major == 9 && arch.specific;
  if (!hopper) WARN("skipped: " << gpu().info().name << " is no Hopper GPU");
  return hopper;
}

inline unsigned all_threads() { return std::max(1u, std::thread::hardware_concurrency()); }

inline Problem problem_of(const AttentionCase& c) {
  return {.dtype = dtype_of(c.scalar),
          .head_dim_qk = static_cast<int>(c.head_dim_qk),
          .head_dim_v = static_cast<int>(c.head_dim_v),
          .mask = c.causal ? MaskKind::kCausal : MaskKind::kNone,
          .return_lse = c.lse};
}

// Several tiles of 64 … 256 rows with a short last one, several blocks of keys with a short last
// one, and more keys than queries, so that a causal diagonal crosses blocks.
inline AttentionCase tiling_case(int head_dim_qk, int head_dim_v, bool causal, Scalar scalar) {
  return {.scalar = scalar,
          .seqlen_q = 331,
          .seqlen_kv = 587,
          .heads_q = 2,
          .heads_kv = 1,
          .head_dim_qk = head_dim_qk,
          .head_dim_v = head_dim_v,
          .causal = causal,
          .lse = scalar == Scalar::kFp16};
}

// A runtime for each default tiling of each case, and the case to be run with it.
struct ForcedCases {
  std::vector<std::unique_ptr<Runtime>> runtimes;
  std::vector<RuntimeCase> cases;

  void add(const AttentionCase& c, bool special = false) {
    for (const Tiling& tiling : sm90_default_candidates(problem_of(c))) add(c, tiling, special);
  }
  void add(const AttentionCase& c, const Tiling& tiling, bool special = false) {
    Options options = gpu_options();
    options.tiling = tiling;
    runtimes.push_back(std::make_unique<Runtime>(options));
    const std::string name = variant_name({problem_of(c), tiling, gpu().info().arch});
    cases.push_back({runtimes.back().get(), c, name, special});
  }
  // Tilings that the heuristic leaves to the tuner: P through shared memory, clusters at any head
  // dim, ones behind V. Named as variants are, without the words for the problem.
  void add_unusual(AttentionCase c, bool special = false) {
    c.lse = false;
    for (const std::string tile : {"m128n64s2_psmem",
                                   "m128n80s2q1c2_pingpong_onetile_staged",
                                   "m128n64s2q1c2_psmem_static_staged",
                                   "m128n48s2q1c2_nooverlap_psmem_onetile_lazy_direct",
                                   "m128n64s2c2",
                                   "m64n64s3q1c2_staged",
                                   "m128n64s2q1_mmasum_eager_staged",
                                   "m192n64s2q1c2_mmasum_static_direct"}) {
      const Problem problem = problem_of(c);
      std::string name = std::string("fwd_sm90_") + to_string(problem.dtype) + "_d" +
                         std::to_string(problem.head_dim_qk);
      if (c.head_dim_v != c.head_dim_qk) name += "v" + std::to_string(problem.head_dim_v);
      if (c.causal) name += "_causal";
      const auto config = parse_variant_name(name + "_" + tile, gpu().info().arch);
      INFO(name << "_" << tile);
      REQUIRE(config);
      if (is_legal(*config)) add(c, config->tiling, special);
    }
  }
};

struct HeadDims {
  int qk, v;
};
// O and LSE of one problem on the device, to be computed again and again.
class Repeated {
 public:
  Repeated(Runtime& runtime, const AttentionCase& c, std::uint64_t seed)
      : device_(runtime),
        inputs_(make_inputs(c, seed)),
        o_(c.scalar, {c.batch, c.seqlen_q, c.heads_q, c.head_dim_v}, c.layout),
        lse_(Scalar::kFp32, {c.batch, c.heads_q, c.seqlen_q, 1}, Layout::kBshd) {
    args_ = make_args(c, inputs_.q, inputs_.k, inputs_.v, o_, nullptr);
    args_.q.data = device_.upload(inputs_.q.bytes()) + inputs_.q.data_offset();
    args_.k.data = device_.upload(inputs_.k.bytes()) + inputs_.k.data_offset();
    args_.v.data = device_.upload(inputs_.v.bytes()) + inputs_.v.data_offset();
    device_o_ = device_.upload(o_.bytes());
    args_.o.data = device_o_ + o_.data_offset();
    device_lse_ = device_.upload(lse_.bytes());
    if (c.lse) args_.lse = reinterpret_cast<float*>(device_lse_ + lse_.data_offset());
  }

  // O and the LSE, each with its guard bytes behind it: the same of every object of one seed.
  std::vector<std::byte> run() {
    device_.forward(args_);
    return result();
  }
  // The same by a call for each batch.
  std::vector<std::byte> run_by_batch() {
    AttentionArgs one = args_;
    for (TensorView* tensor : {&one.q, &one.k, &one.v, &one.o}) tensor->shape[0] = 1;
    for (std::int64_t batch = 0; batch < args_.q.shape[0]; ++batch) {
      device_.forward(one);
      for (TensorView* tensor : {&one.q, &one.k, &one.v, &one.o})
        tensor->data =
            static_cast<std::byte*>(tensor->data) + tensor->strides[0] * size_of(tensor->dtype);
      if (one.lse != nullptr) one.lse += one.q.shape[1] * one.q.shape[2];
    }
    return result();
  }
  // O and the LSE on the device get their first pattern again.
  void wipe() {
    restore(device_o_, o_);
    restore(device_lse_, lse_);
  }

 private:
  std::vector<std::byte> result() {
    std::vector<std::byte> result = downloaded(device_o_, o_);
    const std::vector<std::byte> lse = downloaded(device_lse_, lse_);
    result.insert(result.end(), lse.begin(), lse.end());
    return result;
  }
  void restore(std::byte* to, HostTensor& tensor) {
    const DriverLibrary& driver = gpu().driver();
    driver.check(driver.memcpy_htod_async(reinterpret_cast<CUdeviceptr>(to),
                                          tensor.bytes().data(),
                                          tensor.bytes().size(),
                                          device_.stream()));
  }
  // Where a tensor begins in its buffer depends on where the host's lies.
  std::vector<std::byte> downloaded(const std::byte* from, HostTensor& tensor) {
    std::vector<std::byte> bytes(tensor.bytes().size());
    device_.download(from, bytes);
    std::rotate(bytes.begin(), bytes.begin() + tensor.data_offset(), bytes.end());
    return bytes;
  }

  CudaTestDevice device_;
  CaseInputs inputs_;
  HostTensor o_, lse_;
  AttentionArgs args_;
  std::byte* device_o_ = nullptr;
  std::byte* device_lse_ = nullptr;
};

}  // namespace flashjit::test
