#include "cuda_executor.h"

#include <cstring>
#include <set>

#include "kernel_src/variant_plan.h"
#include "problem.h"
#include "runtime/fake_cuda/open_fake_cuda.h"
#include "support/catch.h"
#include "variant_source.h"

using namespace flashjit;
using test::FakeCuda;

namespace {

Stream stream_of(std::uintptr_t number) { return reinterpret_cast<Stream>(number); }

// One call of 2 batches, 3 heads and 100 rows, in made-up memory.
struct Call {
  explicit Call(const char* variant, Dtype dtype = Dtype::kBf16, int head_dim = 64)
      : config(*parse_variant_name(variant, {9, 0, true})) {
    const auto tensor = [&](std::uintptr_t address) {
      return bshd(reinterpret_cast<void*>(address), dtype, 2, 100, 3, head_dim);
    };
    args.q = tensor(0x10000);
    args.k = tensor(0x20000);
    args.v = tensor(0x30000);
    args.o = tensor(0x40000);
    shape = validate(args).shape;
  }

  void launch(const CudaExecutor& executor, Stream stream = nullptr) const {
    const std::unique_ptr<LoadedKernel> kernel = executor.load(config, {});
    executor.launch(*kernel, config, args, shape, stream);
  }

  KernelConfig config;
  AttentionArgs args;
  ProblemShape shape;
};

template <typename Params>
Params params_of(const test::FakeLaunch& launch) {
  Params params;
  REQUIRE(launch.params.size() == sizeof params);
  std::memcpy(&params, launch.params.data(), sizeof params);
  return params;
}

template <typename Function>
Error error_of(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kOk, "");
}

const auto kOtherContext = reinterpret_cast<CUcontext>(0xABC);

}  // namespace

TEST_CASE("the device is described, and everything is handed back at the end") {
  FakeCuda& fake = test::fresh_fake_cuda();
  {
    const CudaExecutor executor(test::fake_cuda_settings(), 1);
    CHECK(executor.device().name == "Fake H100");
    CHECK(arch_name(executor.device().arch) == "sm_90a");
    CHECK(executor.device().sm_count == 132);
    CHECK(executor.device().driver_version == 13000);
    CHECK(executor.cuda_device()->ordinal() == 1);
    CHECK(fake.retained_contexts == 1);
    const Call call("fwd_simt_bf16_d64_m64n64");
    const auto kernel = executor.load(call.config, {});
    CHECK(kernel->resources().registers == 99);
    CHECK(kernel->resources().dynamic_smem_bytes == smem_bytes(call.config));
    CHECK(fake.loaded_modules == 1);
    CHECK(fake.loaded_functions == 1);  // now, not at the first launch
  }
  CHECK(fake.retained_contexts == 0);
  CHECK(fake.loaded_modules == 0);
  CHECK(fake.live_allocations == 0);
  CHECK(fake.current == nullptr);
}

TEST_CASE("devices that are not there are refused") {
  FakeCuda& fake = test::fresh_fake_cuda();
  for (const int ordinal : {-1, 2}) {
    const Error error = error_of([&] { CudaExecutor(test::fake_cuda_settings(), ordinal); });
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    CHECK_THAT(error.what(), ContainsSubstring("2 device(s)"));
  }
  fake.device_count = 0;
  CHECK(error_of([] { CudaExecutor(test::fake_cuda_settings(), 0); }).code() ==
        ErrorCode::kNoDriver);

  Settings settings;
  settings.libcuda = "/no/such/libcuda.so.1";
  const Error error = error_of([&] { CudaExecutor(settings, 0); });
  CHECK(error.code() == ErrorCode::kNoDriver);
  CHECK_THAT(error.what(), ContainsSubstring("FLASHJIT_LIBCUDA"));
}

TEST_CASE("the missing compiler is an error when it is needed, not before") {
  test::fresh_fake_cuda();
  const CudaExecutor executor(test::fake_cuda_settings(), 0);
  for (int i = 0; i < 2; ++i) {
    const Error error = error_of([&] { executor.compiler_build(); });
    CHECK(error.code() == ErrorCode::kNoCompiler);
    CHECK_THAT(error.what(), ContainsSubstring("/no/such/libnvrtc.so"));
  }
}

TEST_CASE("a fused variant is one launch with the call's parameters") {
  FakeCuda& fake = test::fresh_fake_cuda();
  fake.param_bytes = sizeof(FwdParams);
  fake.current = kOtherContext;
  const CudaExecutor executor(test::fake_cuda_settings(), 0);
  const Call call("fwd_simt_bf16_d64_m64n64");
  call.launch(executor, stream_of(7));

  CHECK(fake.functions == std::vector<std::string>{"fwd_simt_bf16_d64_m64n64"});
  REQUIRE(fake.launches.size() == 1);
  const CUlaunchConfig& config = fake.launches[0].config;
  CHECK(config.gridDimX == 2 * 2 * 3);  // tiles of 64 rows, batches, heads
  CHECK(config.gridDimY == 1);
  CHECK(config.blockDimX == 256);
  CHECK(config.sharedMemBytes == 56 * 1024);
  CHECK(config.hStream == stream_of(7));
  CHECK(config.numAttrs == 0);
  const auto params = params_of<FwdParams>(fake.launches[0]);
  CHECK(params.q == call.args.q.data);
  CHECK(params.o == call.args.o.data);
  CHECK(params.seqlen_q == 100);
  CHECK(params.workspace == nullptr);
  // Whatever context the caller had: it is the device's at the launch and the caller's after it.
  CHECK(fake.launches[0].context == executor.cuda_device()->context());
  CHECK(fake.current == kOtherContext);
}

TEST_CASE("nothing is launched where there is no output") {
  FakeCuda& fake = test::fresh_fake_cuda();
  const CudaExecutor executor(test::fake_cuda_settings(), 0);
  Call call("fwd_simt_bf16_d64_m64n64");
  call.shape.seqlen_q = 0;
  call.launch(executor);
  CHECK(fake.launches.empty());
}

TEST_CASE("the standard family runs six kernels over a workspace") {
  FakeCuda& fake = test::fresh_fake_cuda();
  fake.param_bytes = sizeof(FwdParams);
  const CudaExecutor executor(test::fake_cuda_settings(), 0);
  Call call("fwd_standard_bf16_d64_m64n64");
  const std::size_t bytes = workspace_bytes(call.config, call.shape, executor.device());
  REQUIRE(bytes >= 2u * 3 * 100 * 100 * 2);

  SECTION("allocated and freed in stream order") {
    const int before = fake.live_allocations;
    call.launch(executor, stream_of(9));
    CHECK(fake.async_calls == std::vector<std::string>{"alloc 9",
                                                       "launch 9",
                                                       "launch 9",
                                                       "launch 9",
                                                       "launch 9",
                                                       "launch 9",
                                                       "launch 9",
                                                       "free 9"});
    CHECK(fake.live_allocations == before);
    CHECK(params_of<FwdParams>(fake.launches[5]).workspace != nullptr);
    std::set<CUfunction> functions;
    for (const auto& launch : fake.launches) functions.insert(launch.function);
    CHECK(functions.size() == 6);
  }
  SECTION("the caller's") {
    call.args.workspace = reinterpret_cast<void*>(0x90000);
    call.args.workspace_size = bytes;
    call.launch(executor);
    REQUIRE(fake.launches.size() == 6);
    CHECK(params_of<FwdParams>(fake.launches[0]).workspace == call.args.workspace);
    CHECK(fake.async_calls.size() == 6);
  }
  SECTION("one that is too small") {
    call.args.workspace = reinterpret_cast<void*>(0x90000);
    call.args.workspace_size = bytes - 1;
    const Error error = error_of([&] { call.launch(executor); });
    CHECK(error.code() == ErrorCode::kInvalidArgument);
    CHECK_THAT(error.what(), ContainsSubstring("workspace_size"));
    CHECK_THAT(error.what(), ContainsSubstring(std::to_string(bytes)));
    CHECK(fake.launches.empty());
  }
  SECTION("freed when a launch fails") {
    const int before = fake.live_allocations;
    fake.launch_result = CUDA_ERROR_INVALID_VALUE;
    CHECK(error_of([&] { call.launch(executor); }).code() == ErrorCode::kDriver);
    CHECK(fake.live_allocations == before);
  }
}

TEST_CASE("a Hopper launch carries four tensor maps and a counter that no other stream has") {
  FakeCuda& fake = test::fresh_fake_cuda();
  fake.param_bytes = sizeof(Sm90FwdParams);
  const CudaExecutor executor(test::fake_cuda_settings(), 0);
  const Call call("fwd_sm90_bf16_d64_m128n128s2");
  const auto counter = [&](Stream stream) {
    call.launch(executor, stream);
    return params_of<Sm90FwdParams>(fake.launches.back()).fwd.workspace;
  };

  void* first = counter(stream_of(100));
  CHECK(fake.launches[0].config.blockDimX == 384);
  CHECK(fake.launches[0].config.gridDimX == 6);  // fewer tiles than SMs
  REQUIRE(fake.tensor_maps.size() == 4);
  const auto params = params_of<Sm90FwdParams>(fake.launches[0]);
  CHECK(params.q.opaque[0] == 0x10000);
  CHECK(params.k.opaque[0] == 0x20000);
  CHECK(params.v.opaque[0] == 0x30000);
  CHECK(params.o.opaque[0] == 0x40000);
  CHECK(params.schedule.num_tiles == 6);

  REQUIRE(first != nullptr);
  CHECK(counter(stream_of(100)) == first);
  std::set<void*> counters = {first};
  for (std::uintptr_t i = 101; i < 200; ++i) counters.insert(counter(stream_of(i)));
  CHECK(counters.size() == 100);
  // Two names of the legacy stream.
  CHECK(counter(nullptr) == counter(CU_STREAM_LEGACY));

  fake.capturing = true;
  for (int i = 0; i < 10; ++i) counters.insert(counter(stream_of(100)));
  CHECK(counters.size() == 110);
}

TEST_CASE("a narrow last panel of Q, K and O has a tensor map with the swizzle of its width") {
  struct Narrow {
    const char* variant;
    int head_dim;
    unsigned columns;
    CUtensorMapSwizzle swizzle;
  };
  for (const Narrow& n :
       {Narrow{"fwd_sm90_bf16_d80_m128n64s2", 80, 16, CU_TENSOR_MAP_SWIZZLE_32B},
        Narrow{"fwd_sm90_bf16_d96_m128n64s2", 96, 32, CU_TENSOR_MAP_SWIZZLE_64B}}) {
    CAPTURE(n.head_dim);
    FakeCuda& fake = test::fresh_fake_cuda();
    fake.param_bytes = sizeof(Sm90FwdParams);
    const CudaExecutor executor(test::fake_cuda_settings(), 0);
    Call(n.variant, Dtype::kBf16, n.head_dim).launch(executor);
    int narrow = 0;
    for (const test::FakeTensorMap& map : fake.tensor_maps) {
      const bool whole = map.box_columns == 64;
      CHECK(map.swizzle == (whole ? CU_TENSOR_MAP_SWIZZLE_128B : n.swizzle));
      CHECK((whole || map.box_columns == n.columns));
      narrow += !whole;
    }
    CHECK(narrow == 3);
    CHECK(fake.tensor_maps.size() == 7);
    const auto params = params_of<Sm90FwdParams>(fake.launches[0]);
    CHECK(params.q_tail.opaque[0] == 0x10000);
    CHECK(params.k_tail.opaque[0] == 0x20000);
    CHECK(params.o_tail.opaque[0] == 0x40000);
  }
}

TEST_CASE("pointers that are not this device's memory are named") {
  FakeCuda& fake = test::fresh_fake_cuda();
  const CudaExecutor executor(test::fake_cuda_settings(), 1);
  Call call("fwd_simt_bf16_d64_m64n64");
  for (const std::uintptr_t address : {0x10000, 0x20000, 0x30000, 0x40000}) {
    fake.pointers[address] = {CU_MEMORYTYPE_DEVICE, 1, false};
  }
  executor.check_pointers(call.args);
  const int queries = fake.pointer_queries;
  CHECK(queries == 4);
  executor.check_pointers(call.args);
  CHECK(fake.pointer_queries == queries);  // remembered

  fake.pointers[0x50000] = {CU_MEMORYTYPE_UNIFIED, 0, true};
  call.args.k.data = reinterpret_cast<void*>(0x50000);  // managed memory is everybody's
  executor.check_pointers(call.args);

  fake.pointers[0x60000] = {CU_MEMORYTYPE_DEVICE, 0, false};
  call.args.v.data = reinterpret_cast<void*>(0x60000);
  const Error other = error_of([&] { executor.check_pointers(call.args); });
  CHECK(other.code() == ErrorCode::kInvalidArgument);
  CHECK_THAT(other.what(), ContainsSubstring("v.data is memory of device 0"));

  call.args.v.data = reinterpret_cast<void*>(0x30000);
  call.args.lse = reinterpret_cast<float*>(0x70000);
  const Error host = error_of([&] { executor.check_pointers(call.args); });
  CHECK(host.code() == ErrorCode::kInvalidArgument);
  CHECK_THAT(host.what(), ContainsSubstring("lse"));
  CHECK_THAT(host.what(), ContainsSubstring("host memory"));
}

TEST_CASE("capturing is seen, also through the legacy stream's refusal to tell") {
  FakeCuda& fake = test::fresh_fake_cuda();
  const CudaExecutor executor(test::fake_cuda_settings(), 0);
  CHECK_FALSE(executor.is_capturing(stream_of(3)));
  fake.capturing = true;
  CHECK(executor.is_capturing(stream_of(3)));
  fake.capturing = false;
  fake.capture_result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  CHECK(executor.is_capturing(nullptr));
  fake.capture_result = CUDA_ERROR_INVALID_HANDLE;
  CHECK(error_of([&] { executor.is_capturing(stream_of(3)); }).code() == ErrorCode::kDriver);
}

TEST_CASE("driver failures say what, and where they were met") {
  FakeCuda& fake = test::fresh_fake_cuda();
  const CudaExecutor executor(test::fake_cuda_settings(), 0);
  const Call call("fwd_simt_bf16_d64_m64n64");
  fake.launch_result = CUDA_ERROR_INVALID_VALUE;
  const Error launch = error_of([&] { call.launch(executor); });
  CHECK(launch.code() == ErrorCode::kDriver);
  CHECK_THAT(launch.what(), ContainsSubstring("CUDA_ERROR_FAKE (1): a fake failure"));
  CHECK_THAT(launch.what(), ContainsSubstring("cuda_executor.cpp:"));

  fake.module_load_result = CUDA_ERROR_OUT_OF_MEMORY;
  const Error load = error_of([&] { executor.load(call.config, {}); });
  CHECK(load.code() == ErrorCode::kOutOfMemory);
  CHECK_THAT(load.what(), ContainsSubstring("fwd_simt_bf16_d64_m64n64"));
}
