// Every way in which a call can be wrong, through C++ and through C: a typed error that names the
// argument and the fix, and outputs as they were.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "flashjit/flashjit.h"
#include "kernel_sources.h"
#include "runtime/fake_cuda/open_fake_cuda.h"
#include "support/c_attention.h"
#include "support/catch.h"
#include "support/environment.h"
#include "support/temp_dir.h"

namespace flashjit::test {
namespace {

namespace fs = std::filesystem;

// fp32, batch 1, 4 query heads over 2, 8 rows and keys, head_dim 16; more room than any of it
// needs.
struct Memory {
  static constexpr std::size_t kElements = 4096;

  Memory() {
    for (auto* tensor : {&q, &k, &v, &o, &lse}) tensor->assign(kElements, 0.5f);
  }
  AttentionArgs args() {
    AttentionArgs args;
    args.q = bshd(aligned(q), Dtype::kFp32, 1, 8, 4, 16);
    args.k = bshd(aligned(k), Dtype::kFp32, 1, 8, 2, 16);
    args.v = bshd(aligned(v), Dtype::kFp32, 1, 8, 2, 16);
    args.o = bshd(aligned(o), Dtype::kFp32, 1, 8, 4, 16);
    args.lse = static_cast<float*>(aligned(lse));
    return args;
  }
  bool untouched() const {
    const auto is_first = [](float value) { return value == 0.5f; };
    return std::ranges::all_of(o, is_first) && std::ranges::all_of(lse, is_first);
  }

 private:
  static void* aligned(std::vector<float>& tensor) {
    const auto address = reinterpret_cast<std::uintptr_t>(tensor.data());
    return tensor.data() + (256 - address % 256) % 256 / sizeof(float);
  }

  std::vector<float> q, k, v, o, lse;
};

struct Outcome {
  ErrorCode code = ErrorCode::kOk;
  std::string message, variant, log, source;
};

Outcome outcome_of(const std::function<void()>& body) {
  try {
    body();
    return {};
  } catch (const Error& error) {
    return {error.code(), error.what(), error.variant(), error.compile_log(), error.source_path()};
  }
}

Outcome outcome_of(flashjit_status status) {
  if (status == FLASHJIT_OK) return {};
  return {static_cast<ErrorCode>(status),
          flashjit_last_error_message(),
          flashjit_last_error_variant(),
          flashjit_last_error_log(),
          flashjit_last_error_source()};
}

// The same runtime twice.
struct Runtimes {
  explicit Runtimes(const Options& options) : cpp(options) {
    flashjit_options c_options{};
    c_options.struct_size = sizeof c_options;
    c_options.backend = static_cast<int>(options.backend);
    const std::string kernel_dir = options.kernel_dir.value_or(fs::path()).string();
    if (options.kernel_dir) c_options.kernel_dir = kernel_dir.c_str();
    REQUIRE(flashjit_create(&c_options, &c) == FLASHJIT_OK);
  }
  ~Runtimes() { flashjit_destroy(c); }
  Runtimes(const Runtimes&) = delete;
  Runtimes& operator=(const Runtimes&) = delete;

  std::vector<Outcome> forward(const AttentionArgs& args) {
    const flashjit_attention attention = to_c(args);
    return {outcome_of([&] { cpp.forward(args); }),
            outcome_of(flashjit_forward(c, &attention, nullptr))};
  }

  Runtime cpp;
  flashjit_runtime* c = nullptr;
};

struct BadCall {
  const char* what;
  std::function<void(AttentionArgs&)> spoil;
  std::vector<std::string> words;  // what is wrong, with what, and what would be right
};

void shift(TensorView& tensor, int bytes) {
  tensor.data = static_cast<std::byte*>(tensor.data) + bytes;
}

void set_head_dim(AttentionArgs& args, std::int64_t head_dim) {
  for (TensorView* tensor : {&args.q, &args.k, &args.v, &args.o}) tensor->shape[3] = head_dim;
}

const std::vector<BadCall>& bad_calls() {
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  static const std::vector<BadCall> calls = {
      {"null", [](auto& a) { a.v.data = nullptr; }, {"v.data is null", "address of v's first"}},
      {"null output", [](auto& a) { a.o.data = nullptr; }, {"o.data is null"}},
      {"misaligned", [](auto& a) { shift(a.q, 4); }, {"q is at", "aligned to 16 bytes"}},
      {"misaligned output", [](auto& a) { shift(a.o, 8); }, {"o is at", "aligned to 16 bytes"}},
      {"dtypes", [](auto& a) { a.k.dtype = Dtype::kFp16; }, {"k.dtype is fp16", "one dtype"}},
      {"no dtype",
       [](auto& a) { a.q.dtype = static_cast<Dtype>(9); },
       {"q.dtype is 9", "use fp16 (0), bf16 (1) or fp32 (2)"}},
      {"head_dim 12",
       [](auto& a) { set_head_dim(a, 12); },
       {"q.shape[3] (head_dim) is 12", "multiple of 8", "pad it with zeros to 16"}},
      {"head_dim 264",
       [](auto& a) { set_head_dim(a, 264); },
       {"q.shape[3] (head_dim) is 264", "from 8 to 256"}},
      {"head_dim 0",
       [](auto& a) { set_head_dim(a, 0); },
       {"q.shape[3] (head_dim) is 0", "from 8 to 256"}},
      {"heads",
       [](auto& a) { a.k.shape[2] = a.v.shape[2] = 3; },
       {"q.shape[2] (heads) is 4", "3 heads of k", "the same number of heads of q"}},
      {"negative size",
       [](auto& a) { a.k.shape[1] = -8; },
       {"k.shape[1] (seqlen) is -8", "must not be negative"}},
      {"size beyond 32 bit",
       [](auto& a) { a.q.shape[1] = a.o.shape[1] = kHuge; },
       {"q.shape[1] (seqlen) is 1099511627776", "the most is 1073741824"}},
      {"sizes whose product is too large",
       [](auto& a) {
         for (TensorView* tensor : {&a.q, &a.k, &a.v, &a.o}) {
           tensor->shape[0] = 1 << 30;
           tensor->strides[0] = 1 << 10;
         }
       },
       {"batch x heads x seqlen of q", "split the batch"}},
      {"strides beyond 64 bit",
       [](auto& a) { a.k.strides[1] = std::int64_t{1} << 61; },
       {"k: the last element", "check k.strides"}},
      {"last dimension strided",
       [](auto& a) { a.q.strides[3] = 2; },
       {"q.strides[3] (head_dim) is 2", "make a contiguous copy of q"}},
      {"misaligned stride",
       [](auto& a) { a.v.strides[1] = 33; },
       {"v.strides[1] (seqlen) is 33", "multiple of 4 elements"}},
      {"output over itself",
       [](auto& a) { a.o.strides[1] = 0; },
       {"o.strides[1] (seqlen) is 0", "overlap"}},
      {"scale",
       [](auto& a) { a.softmax_scale = -std::numeric_limits<float>::infinity(); },
       {"softmax_scale is -inf", "must be finite"}},
      {"workspace without memory",
       [](auto& a) { a.workspace_size = 100; },
       {"workspace is null", "pass both or neither"}},
  };
  return calls;
}

void check_words(const Outcome& outcome, const std::vector<std::string>& words) {
  INFO(outcome.message);
  for (const std::string& word : words) CHECK_THAT(outcome.message, ContainsSubstring(word));
}

// A call whose four tensors the fake driver knows as memory of device 0.
AttentionArgs device_args(FakeCuda& fake) {
  AttentionArgs args;
  std::uintptr_t address = 0x5000000;
  for (TensorView* tensor : {&args.q, &args.k, &args.v, &args.o}) {
    *tensor = bshd(reinterpret_cast<void*>(address), Dtype::kBf16, 1, 100, 2, 64);
    fake.pointers[address] = {CU_MEMORYTYPE_DEVICE, 0, false};
    address += 0x100000;
  }
  return args;
}

// Settings for a Runtime on the fake device, from the environment as a user would give them.
struct OnFakeDevice {
  OnFakeDevice() {
    environment.set("FLASHJIT_LIBCUDA", fake_cuda_path()).set("FLASHJIT_CACHE_DIR", "off");
    options.backend = Backend::kCuda;
  }
  FakeCuda& fake = fresh_fake_cuda();
  ScopedEnvironment environment;
  Options options;
};

}  // namespace

TEST_CASE("a wrong argument is named with its fix, and no output is written") {
  Options options;
  options.backend = Backend::kCpu;
  Runtimes runtimes(options);
  Memory memory;
  for (const BadCall& call : bad_calls()) {
    AttentionArgs args = memory.args();
    call.spoil(args);
    for (const Outcome& outcome : runtimes.forward(args)) {
      INFO(call.what);
      CHECK(outcome.code == ErrorCode::kInvalidArgument);
      check_words(outcome, call.words);
      CHECK(memory.untouched());
    }
  }
  // The memory is good: unspoilt, the call writes both.
  for (const Outcome& outcome : runtimes.forward(memory.args())) CHECK(outcome.message.empty());
  CHECK_FALSE(memory.untouched());
}

TEST_CASE("memory of another device and of the host is named, and nothing is launched") {
  OnFakeDevice on;
  Runtimes runtimes(on.options);
  AttentionArgs args = device_args(on.fake);
  on.fake.pointers[0x6000000] = {CU_MEMORYTYPE_DEVICE, 1, false};
  args.k.data = reinterpret_cast<void*>(0x6000000);
  for (const Outcome& outcome : runtimes.forward(args)) {
    CHECK(outcome.code == ErrorCode::kInvalidArgument);
    check_words(outcome, {"k.data is memory of device 1", "Runtime runs on device 0"});
  }
  args = device_args(on.fake);
  args.o.data = reinterpret_cast<void*>(0x7000000);
  for (const Outcome& outcome : runtimes.forward(args)) {
    CHECK(outcome.code == ErrorCode::kInvalidArgument);
    check_words(outcome, {"o.data", "host memory", "memory of device 0"});
  }
  CHECK(on.fake.launches.empty());
}

TEST_CASE("without NVRTC the error says what to install") {
  OnFakeDevice on;
  on.environment.set("FLASHJIT_LIBNVRTC", "/no/such/libnvrtc.so.13");
  Runtimes runtimes(on.options);
  for (const Outcome& outcome : runtimes.forward(device_args(on.fake))) {
    CHECK(outcome.code == ErrorCode::kNoCompiler);
    check_words(outcome,
                {"NVRTC cannot be opened", "Install it", "FLASHJIT_LIBNVRTC", "/no/such/"});
    CHECK_THAT(outcome.variant, ContainsSubstring("fwd_sm90_bf16_d64"));
  }
  CHECK(on.fake.launches.empty());
}

TEST_CASE("without a driver the error says what to install") {
  ScopedEnvironment environment;
  environment.set("FLASHJIT_LIBCUDA", "/no/such/libcuda.so.1");
  Options options;
  options.backend = Backend::kCuda;
  flashjit_options c_options{};
  c_options.struct_size = sizeof c_options;
  c_options.backend = FLASHJIT_BACKEND_CUDA;
  flashjit_runtime* runtime = nullptr;
  for (const Outcome& outcome : {outcome_of([&] { Runtime on_gpu(options); }),
                                 outcome_of(flashjit_create(&c_options, &runtime))}) {
    CHECK(outcome.code == ErrorCode::kNoDriver);
    check_words(outcome, {"Install the NVIDIA driver", "FLASHJIT_LIBCUDA", "/no/such/"});
  }
  CHECK(runtime == nullptr);
}

TEST_CASE("an edited template that does not compile is told with file, line and saved source") {
  const TempDir sources;
  const KernelSources embedded = KernelSources::embedded();
  for (const auto& [name, text] : embedded.files()) {
    fs::create_directories((sources.path() / name).parent_path());
    std::ofstream file(sources.path() / name, std::ios::binary);
    file << text;
    if (name == "simt/fwd_kernel.cuh") file << "\nint edited = no_such_name;\n";
  }
  OnFakeDevice on;
  on.fake.major = 8;
  on.options.kernel_dir = sources.path();
  Runtimes runtimes(on.options);
  AttentionArgs args = device_args(on.fake);
  for (TensorView* tensor : {&args.q, &args.k, &args.v, &args.o}) tensor->dtype = Dtype::kFp32;
  for (const Outcome& outcome : runtimes.forward(args)) {
    CHECK(outcome.code == ErrorCode::kCompileFailed);
    CHECK_THAT(outcome.variant, ContainsSubstring("fwd_simt_fp32_d64"));
    check_words(outcome, {outcome.variant, "simt/fwd_kernel.cuh", "no_such_name", outcome.source});
    CHECK_THAT(outcome.log, ContainsSubstring("simt/fwd_kernel.cuh"));
    CHECK(fs::exists(outcome.source));
    fs::remove_all(fs::path(outcome.source).parent_path());
  }
  CHECK(on.fake.launches.empty());
  // Mended, the next Runtime compiles it: nothing of the failure stays.
  std::ofstream(sources.path() / "simt/fwd_kernel.cuh", std::ios::binary)
      << embedded.files().at("simt/fwd_kernel.cuh");
  for (const Outcome& outcome : Runtimes(on.options).forward(args)) CHECK(outcome.message.empty());
}

}  // namespace flashjit::test
