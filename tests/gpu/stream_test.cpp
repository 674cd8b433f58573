// What the contract says about streams: the caller's stream, no hidden synchronisation, capturable;
// and determinism.
#include <cstring>

#include "flashjit/error.h"
#include "gpu/cuda_test_device.h"
#include "support/catch.h"
#include "support/check_attention.h"
#include "support/paths.h"

namespace flashjit::test {
namespace {

// A case on the device: inputs uploaded, O filled with a pattern.
class Call {
 public:
  explicit Call(CudaTestDevice& device, int head_dim = 128)
      : device_(device),
        case_{.batch = 2,
              .seqlen_q = 300,
              .seqlen_kv = 700,
              .heads_q = 4,
              .heads_kv = 2,
              .head_dim_qk = head_dim,
              .head_dim_v = head_dim,
              .causal = true,
              .lse = false},
        inputs_(make_inputs(case_, fresh_seed())),
        o_(case_.scalar,
           {case_.batch, case_.seqlen_q, case_.heads_q, case_.head_dim_v},
           case_.layout) {
    args_ = make_args(case_, inputs_.q, inputs_.k, inputs_.v, o_, nullptr);
    args_.q.data = device.upload(inputs_.q.bytes()) + inputs_.q.data_offset();
    args_.k.data = device.upload(inputs_.k.bytes()) + inputs_.k.data_offset();
    args_.v.data = device.upload(inputs_.v.bytes()) + inputs_.v.data_offset();
    device_o_ = device.upload(o_.bytes());
    args_.o.data = device_o_ + o_.data_offset();
  }

  const AttentionArgs& args() const { return args_; }

  // O's bytes now, and O on the device filled with its first pattern again.
  std::vector<std::byte> take() {
    std::vector<std::byte> bytes(o_.bytes().size());
    device_.download(device_o_, bytes);
    const DriverLibrary& driver = gpu().driver();
    driver.check(driver.memcpy_htod_async(reinterpret_cast<CUdeviceptr>(device_o_),
                                          o_.bytes().data(),
                                          bytes.size(),
                                          device_.stream()));
    return bytes;
  }

 private:
  CudaTestDevice& device_;
  AttentionCase case_;
  CaseInputs inputs_;
  HostTensor o_;
  AttentionArgs args_;
  std::byte* device_o_ = nullptr;
};

Options test_options() {
  return {.backend = Backend::kCuda, .cache_dir = build_dir() / "gpu_test_cache"};
}

}  // namespace

TEST_CASE("a forward is bit-identical from run to run", "[sanitizer]") {
  Runtime runtime(test_options());
  CudaTestDevice device(runtime);
  Call call(device);
  const std::vector<std::byte> untouched = call.take();
  device.forward(call.args());
  const std::vector<std::byte> first = call.take();
  CHECK(first != untouched);
  for (int i = 0; i < 20; ++i) {
    device.forward(call.args());
    REQUIRE(call.take() == first);
  }
}

TEST_CASE("a forward is captured in a graph and replayed") {
  Runtime runtime(test_options());
  CudaTestDevice device(runtime);
  Call call(device);
  device.forward(call.args());
  const std::vector<std::byte> expected = call.take();

  const DriverLibrary& driver = gpu().driver();
  CUgraph graph = nullptr;
  CUgraphExec executable = nullptr;
  driver.check(driver.stream_begin_capture(device.stream(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  runtime.forward(call.args(), device.stream());
  driver.check(driver.stream_end_capture(device.stream(), &graph));
  driver.check(driver.graph_instantiate(&executable, graph, 0));
  CHECK(call.take() != expected);  // capturing ran nothing
  for (int i = 0; i < 3; ++i) {
    driver.check(driver.graph_launch(executable, device.stream()));
    CHECK(call.take() == expected);
  }
  driver.graph_exec_destroy(executable);
  driver.graph_destroy(graph);
}

TEST_CASE("what was preloaded is captured at once, before any other call") {
  Runtime warm(test_options());
  CudaTestDevice device(warm);
  Call call(device);
  device.forward(call.args());
  const std::vector<std::byte> expected = call.take();

  Runtime fresh(test_options());
  const std::vector<AttentionArgs> problems = {call.args()};
  const PreloadResult result = fresh.preload(problems);
  REQUIRE(result.variants.size() == 1);
  REQUIRE(result.variants[0].error == "");
  const DriverLibrary& driver = gpu().driver();
  CUgraph graph = nullptr;
  CUgraphExec executable = nullptr;
  driver.check(driver.stream_begin_capture(device.stream(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  fresh.forward(call.args(), device.stream());
  driver.check(driver.stream_end_capture(device.stream(), &graph));
  driver.check(driver.graph_instantiate(&executable, graph, 0));
  driver.check(driver.graph_launch(executable, device.stream()));
  CHECK(call.take() == expected);
  driver.graph_exec_destroy(executable);
  driver.graph_destroy(graph);
}

TEST_CASE("a variant that is not loaded cannot be captured, says so, and the capture goes on") {
  Runtime runtime(test_options());
  CudaTestDevice device(runtime);
  Call call(device), loaded(device, 64);
  device.forward(loaded.args());
  const std::vector<std::byte> expected = loaded.take(), untouched = call.take();
  const DriverLibrary& driver = gpu().driver();
  CUgraph graph = nullptr;
  CUgraphExec executable = nullptr;
  ErrorCode code = ErrorCode::kOk;
  driver.check(driver.stream_begin_capture(device.stream(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  try {
    runtime.forward(call.args(), device.stream());
  } catch (const Error& error) {
    code = error.code();
  }
  CHECK(code == ErrorCode::kCapturing);
  runtime.forward(loaded.args(), device.stream());
  driver.check(driver.stream_end_capture(device.stream(), &graph));
  driver.check(driver.graph_instantiate(&executable, graph, 0));
  driver.check(driver.graph_launch(executable, device.stream()));
  CHECK(loaded.take() == expected);
  CHECK(call.take() == untouched);
  driver.graph_exec_destroy(executable);
  driver.graph_destroy(graph);
}

TEST_CASE("host memory given to the GPU is an error that names the tensor") {
  Runtime runtime(test_options());
  CudaTestDevice device(runtime);
  Call call(device);
  const std::vector<std::byte> untouched = call.take();
  AttentionArgs args = call.args();
  alignas(64) static std::byte host[64];
  args.k.data = host;
  CHECK_THROWS_WITH(device.forward(args), ContainsSubstring("k"));
  CHECK(call.take() == untouched);
}

}  // namespace flashjit::test
