#include "flashjit/c_api.h"

#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "online_tuner.h"
#include "support/catch.h"
#include "support/check_attention.h"
#include "support/fake_executor.h"
#include "support/temp_dir.h"

extern "C" flashjit_status c_client_forward(float* q,
                                            float* k,
                                            float* v,
                                            float* o,
                                            float* lse,
                                            int64_t seqlen,
                                            float scale,
                                            char* variant_name,
                                            size_t variant_name_size);

namespace flashjit::test {
namespace {

alignas(256) std::byte g_memory[5][64];

using Handle = std::unique_ptr<flashjit_runtime, void (*)(flashjit_runtime*)>;

Handle create(const flashjit_options& options) {
  flashjit_runtime* runtime = nullptr;
  const flashjit_status status = flashjit_create(&options, &runtime);
  INFO(flashjit_last_error_message());
  REQUIRE(status == FLASHJIT_OK);
  return {runtime, flashjit_destroy};
}

flashjit_options options_for(flashjit_backend backend) {
  flashjit_options options{};
  options.struct_size = sizeof options;
  options.backend = backend;
  return options;
}

flashjit_attention some_attention() {
  flashjit_attention attention{};
  attention.struct_size = sizeof attention;
  int i = 0;
  for (flashjit_tensor* tensor : {&attention.q, &attention.k, &attention.v, &attention.o})
    *tensor = {g_memory[i++], FLASHJIT_BF16, 0, {2, 100, 4, 64}, {100 * 4 * 64, 4 * 64, 64, 1}};
  return attention;
}

std::string message() { return flashjit_last_error_message(); }

}  // namespace

TEST_CASE("a C program computes attention") {
  const AttentionCase c{.scalar = Scalar::kFp32,
                        .seqlen_q = 37,
                        .seqlen_kv = 37,
                        .head_dim_qk = 8,
                        .head_dim_v = 8,
                        .causal = true,
                        .scale = 0.3f};
  char name[128] = "";
  HostDevice device([&](const AttentionArgs& args) {
    const auto data = [](const TensorView& tensor) { return static_cast<float*>(tensor.data); };
    REQUIRE(c_client_forward(data(args.q),
                             data(args.k),
                             data(args.v),
                             data(args.o),
                             args.lse,
                             37,
                             0.3f,
                             name,
                             sizeof name) == FLASHJIT_OK);
  });
  const Verdict verdict = check_attention(device, c, fresh_seed());
  INFO(verdict.message);
  REQUIRE(verdict.ok);
  REQUIRE_THAT(name, ContainsSubstring("fwd_cpu_"));
}

TEST_CASE("the C ABI's numbers are those of the C++ API") {
  REQUIRE(FLASHJIT_BF16 == static_cast<int>(Dtype::kBf16));
  REQUIRE(FLASHJIT_FP32 == static_cast<int>(Dtype::kFp32));
  REQUIRE(FLASHJIT_BACKEND_EMULATED == static_cast<int>(Backend::kEmulated));
  REQUIRE(FLASHJIT_TOP_LEFT == static_cast<int>(CausalAlignment::kTopLeft));
  REQUIRE(FLASHJIT_FAMILY_SM90 == static_cast<int>(Family::kSm90) + 1);
  for (int code = FLASHJIT_OK; code <= FLASHJIT_INTERNAL; ++code) {
    const auto status = static_cast<flashjit_status>(code);
    REQUIRE(std::string(flashjit_status_name(status)) == to_string(static_cast<ErrorCode>(code)));
    REQUIRE(std::string(flashjit_status_name(status)) != "unknown");
  }
  REQUIRE(std::string(flashjit_version()) == version());
}

TEST_CASE("wrong use of the C ABI is told, per thread") {
  const Handle runtime = create(options_for(FLASHJIT_BACKEND_CPU));
  flashjit_attention attention = some_attention();
  attention.q.shape[3] = 12;
  REQUIRE(flashjit_forward(runtime.get(), &attention, nullptr) == FLASHJIT_INVALID_ARGUMENT);
  REQUIRE_THAT(message(), ContainsSubstring("q.shape[3]"));
  std::thread([] { REQUIRE(message().empty()); }).join();

  attention = some_attention();
  REQUIRE(flashjit_forward(nullptr, &attention, nullptr) == FLASHJIT_INVALID_ARGUMENT);
  REQUIRE_THAT(message(), ContainsSubstring("runtime is NULL"));
  REQUIRE(flashjit_forward(runtime.get(), nullptr, nullptr) == FLASHJIT_INVALID_ARGUMENT);
  REQUIRE_THAT(message(), ContainsSubstring("attention is NULL"));
  attention.struct_size = 0;
  REQUIRE(flashjit_prepare(runtime.get(), &attention, nullptr) == FLASHJIT_INVALID_ARGUMENT);
  REQUIRE_THAT(message(), ContainsSubstring("attention->struct_size"));

  flashjit_runtime* none = runtime.get();
  flashjit_options options = options_for(FLASHJIT_BACKEND_CPU);
  options.family = 9;
  REQUIRE(flashjit_create(&options, &none) == FLASHJIT_INVALID_ARGUMENT);
  REQUIRE_THAT(message(), ContainsSubstring("options->family is 9"));
  REQUIRE(none == nullptr);
  options = options_for(FLASHJIT_BACKEND_CPU);
  options.tune = 4;
  REQUIRE(flashjit_create(&options, &none) == FLASHJIT_INVALID_ARGUMENT);
  REQUIRE_THAT(message(), ContainsSubstring("options->tune is 4"));
  options.tune = FLASHJIT_TUNE_ON_FIRST_USE;
  options.tune_seconds = -1;
  REQUIRE(flashjit_create(&options, &none) == FLASHJIT_INVALID_ARGUMENT);
  REQUIRE_THAT(message(), ContainsSubstring("tune_seconds"));
  flashjit_destroy(nullptr);
}

TEST_CASE("structs of older and newer callers are understood") {
  const auto device = install_fake_device();
  const TempDir cache;
  flashjit_options options = options_for(FLASHJIT_BACKEND_EMULATED);
  options.cache_dir = cache.path().c_str();
  const Handle runtime = create(options);

  // Older: what its struct lacks is 0, whatever lies behind it.
  flashjit_attention old = some_attention();
  old.struct_size = offsetof(flashjit_attention, workspace);
  old.workspace = g_memory[0] + 1;
  old.workspace_size = 5;
  REQUIRE(flashjit_forward(runtime.get(), &old, nullptr) == FLASHJIT_OK);

  // Newer: fine as long as what we do not know is 0.
  struct {
    flashjit_attention known = some_attention();
    std::uint64_t unknown = 0;
  } newer;
  newer.known.struct_size = sizeof newer;
  REQUIRE(flashjit_forward(runtime.get(), &newer.known, nullptr) == FLASHJIT_OK);
  newer.unknown = 1;
  REQUIRE(flashjit_forward(runtime.get(), &newer.known, nullptr) == FLASHJIT_INVALID_ARGUMENT);
  REQUIRE_THAT(message(), ContainsSubstring("does not know"));
  REQUIRE(device->launches == 2);

  // Outputs are not written beyond the caller's size.
  flashjit_variant variant;
  std::memset(&variant, 0x55, sizeof variant);
  variant.struct_size = offsetof(flashjit_variant, selected_by);
  REQUIRE(flashjit_prepare(runtime.get(), &newer.known, &variant) == FLASHJIT_INVALID_ARGUMENT);
  newer.unknown = 0;
  REQUIRE(flashjit_prepare(runtime.get(), &newer.known, &variant) == FLASHJIT_OK);
  REQUIRE_THAT(variant.name, ContainsSubstring("fwd_sm80_bf16_d64"));
  REQUIRE(variant.selected_by[0] == 0x55);
}

TEST_CASE("the C ABI tunes on first use") {
  const auto fake = install_fake_device();
  const TempDir cache;
  const OnlineTuner before = online_tuner();
  double seconds = 0;
  register_online_tuner([&](const OnlineTuningJob& job) -> TuningRecord {
    seconds = job.seconds;
    throw Error(ErrorCode::kNotSupported, "a test");
  });
  flashjit_options options = options_for(FLASHJIT_BACKEND_EMULATED);
  options.cache_dir = cache.path().c_str();
  options.tune_seconds = 4;
  const flashjit_attention attention = some_attention();
  for (const flashjit_tune mode : {FLASHJIT_TUNE_OFF, FLASHJIT_TUNE_RECORD}) {
    options.tune = mode;
    REQUIRE(flashjit_forward(create(options).get(), &attention, nullptr) == FLASHJIT_OK);
  }
  REQUIRE(seconds == 0);
  options.tune = FLASHJIT_TUNE_ON_FIRST_USE;
  REQUIRE(flashjit_forward(create(options).get(), &attention, nullptr) == FLASHJIT_OK);
  REQUIRE(seconds == 4);
  register_online_tuner(before);
}

TEST_CASE("the C ABI preloads problems and files, tells how far it is, and can be stopped") {
  const auto fake = install_fake_device();
  const TempDir cache;
  flashjit_options options = options_for(FLASHJIT_BACKEND_EMULATED);
  options.cache_dir = cache.path().c_str();
  const Handle runtime = create(options);
  flashjit_attention problems[3] = {some_attention(), some_attention(), some_attention()};
  problems[1].causal = 1;
  flashjit_preload_result result{};
  result.struct_size = sizeof result;
  REQUIRE(flashjit_preload(runtime.get(), problems, 3, nullptr, &result) == FLASHJIT_OK);
  CHECK(result.loaded == 2);
  CHECK(result.compiled == 2);
  CHECK(result.cancelled == 0);
  CHECK(fake->loads == 2);

  flashjit_preload_options preload{};
  preload.struct_size = sizeof preload;
  preload.threads = 1;
  std::vector<std::uint64_t> done;
  preload.user = &done;
  preload.on_progress = [](const flashjit_preload_progress* progress, void* user) {
    static_cast<std::vector<std::uint64_t>*>(user)->push_back(progress->done);
    return static_cast<std::int32_t>(progress->done == 1);
  };
  for (flashjit_attention& problem : problems) problem.lse = reinterpret_cast<float*>(g_memory[4]);
  REQUIRE(flashjit_preload(runtime.get(), problems, 3, &preload, &result) == FLASHJIT_OK);
  CHECK(result.cancelled == 1);
  CHECK(result.loaded == 1);
  CHECK(done == std::vector<std::uint64_t>{0, 1});

  const std::string file = (cache / "workload.jsonl").string();
  std::ofstream(file)
      << R"({"dtype": "fp16", "head_dim_qk": 64, "num_heads_q": 4, "seqlen_q": 128})";
  fake->on_compile = [] { throw Error(ErrorCode::kCompileFailed, "planted"); };
  CHECK(flashjit_preload_file(runtime.get(), file.c_str(), nullptr, &result) ==
        FLASHJIT_COMPILE_FAILED);
  CHECK(result.failed == 1);
  CHECK_THAT(message(), ContainsSubstring("planted"));
  CHECK_THAT(flashjit_last_error_variant(), ContainsSubstring("fwd_sm80_fp16"));
  fake->on_compile = [] {};
  CHECK(flashjit_preload_file(runtime.get(), file.c_str(), nullptr, nullptr) == FLASHJIT_OK);
  CHECK(flashjit_preload_file(runtime.get(), nullptr, nullptr, nullptr) ==
        FLASHJIT_INVALID_ARGUMENT);
  CHECK(flashjit_preload_file(runtime.get(), "/no/such", nullptr, nullptr) == FLASHJIT_IO);
  preload.threads = -1;
  CHECK(flashjit_preload(runtime.get(), problems, 3, &preload, nullptr) ==
        FLASHJIT_INVALID_ARGUMENT);
}

TEST_CASE("the C ABI pins a bundle") {
  install_fake_device();
  const TempDir directory;
  std::ofstream(directory / "manifest.json") << "{}";
  flashjit_options options = options_for(FLASHJIT_BACKEND_EMULATED);
  options.bundles = directory.path().c_str();
  const std::string digest(64, 'a');
  options.bundle_digest = digest.c_str();
  flashjit_runtime* runtime = nullptr;
  CHECK(flashjit_create(&options, &runtime) == FLASHJIT_DATA);
  CHECK_THAT(message(), ContainsSubstring("manifest.json"));
  options.bundle_digest = "abc";
  CHECK(flashjit_create(&options, &runtime) == FLASHJIT_INVALID_ARGUMENT);
}

TEST_CASE("the C ABI tells about device, variants and statistics") {
  const auto fake = install_fake_device();
  const TempDir cache;
  flashjit_options options = options_for(FLASHJIT_BACKEND_EMULATED);
  options.cache_dir = cache.path().c_str();
  options.family = FLASHJIT_FAMILY_SIMT;
  const Handle runtime = create(options);
  flashjit_attention attention = some_attention();
  REQUIRE(flashjit_forward(runtime.get(), &attention, nullptr) == FLASHJIT_OK);
  attention.causal = 1;
  REQUIRE(flashjit_forward(runtime.get(), &attention, nullptr) == FLASHJIT_OK);

  flashjit_device device{};
  device.struct_size = sizeof device;
  REQUIRE(flashjit_device_info(runtime.get(), &device) == FLASHJIT_OK);
  REQUIRE(std::string(device.name) == "fake");
  REQUIRE(device.arch_major == 8);
  REQUIRE(device.backend == FLASHJIT_BACKEND_EMULATED);

  size_t count = 0;
  REQUIRE(flashjit_loaded_variants(runtime.get(), nullptr, &count) == FLASHJIT_OK);
  REQUIRE(count == 2);
  flashjit_variant variants[3] = {};
  variants[0].struct_size = sizeof variants[0];
  count = 3;
  REQUIRE(flashjit_loaded_variants(runtime.get(), variants, &count) == FLASHJIT_OK);
  REQUIRE(count == 2);
  REQUIRE(std::strcmp(variants[0].name, variants[1].name) != 0);
  REQUIRE_THAT(variants[1].name, ContainsSubstring("fwd_simt_bf16_d64"));
  REQUIRE(std::string(variants[1].selected_by) == "forced family");
  REQUIRE(std::strlen(variants[1].cache_key) == 64);
  REQUIRE(variants[2].name[0] == 0);

  flashjit_stats stats{};
  stats.struct_size = sizeof stats;
  REQUIRE(flashjit_get_stats(runtime.get(), &stats) == FLASHJIT_OK);
  REQUIRE(stats.compiles == 2);

  size_t bytes = 1;
  REQUIRE(flashjit_workspace_size(runtime.get(), &attention, &bytes) == FLASHJIT_OK);
  REQUIRE(bytes == 0);
}

TEST_CASE("a compile error reaches C with variant and log") {
  const auto fake = install_fake_device();
  fake->on_compile = [] {
    throw Error(ErrorCode::kCompileFailed, "it does not compile")
        .with_variant("fwd_x")
        .with_compile_log("line 1: error", "/tmp/x.cu");
  };
  const TempDir cache;
  flashjit_options options = options_for(FLASHJIT_BACKEND_EMULATED);
  options.cache_dir = cache.path().c_str();
  const Handle runtime = create(options);
  const flashjit_attention attention = some_attention();
  REQUIRE(flashjit_forward(runtime.get(), &attention, nullptr) == FLASHJIT_COMPILE_FAILED);
  REQUIRE_THAT(message(), ContainsSubstring("it does not compile"));
  REQUIRE(std::string(flashjit_last_error_variant()) == "fwd_x");
  REQUIRE(std::string(flashjit_last_error_log()) == "line 1: error");
  REQUIRE(std::string(flashjit_last_error_source()) == "/tmp/x.cu");
}

}  // namespace flashjit::test
