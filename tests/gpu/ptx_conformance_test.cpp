// The emulator and the GPU side by side: every function of kernel_src/ptx/, the same kernel text on
// both, bit for bit where no approximation is involved.
#include "conformance/cases.h"

#include <cstdio>

#include "compiler.h"
#include "emulator/core/options.h"
#include "gpu/cuda_test_device.h"
#include "kernel_registry.h"
#include "module.h"
#include "settings.h"
#include "support/catch.h"
#include "support/temp_dir.h"
#include "tensor_map.h"

namespace flashjit::conformance {
namespace {

constexpr int kSmemBytes = 32768;

// The kernel's one parameter, as ptx_cases.cuh declares it.
struct Args {
  TensorMap map_in, map_out;
  CUdeviceptr in, out;
};

// Memory of the device for one test.
class DeviceWords {
 public:
  explicit DeviceWords(const Words& words) : bytes_(words.size() * sizeof(u32)) {
    driver().check(driver().mem_alloc(&address_, bytes_));
    driver().check(driver().memcpy_htod_async(address_, words.data(), bytes_, nullptr));
  }
  ~DeviceWords() { driver().mem_free(address_); }
  DeviceWords(const DeviceWords&) = delete;
  DeviceWords& operator=(const DeviceWords&) = delete;

  CUdeviceptr address() const { return address_; }
  Words read() const {
    Words words(bytes_ / sizeof(u32));
    driver().check(driver().memcpy_dtoh_async(words.data(), address_, bytes_, nullptr));
    driver().check(driver().ctx_synchronize());
    return words;
  }

 private:
  static const DriverLibrary& driver() { return test::gpu().driver(); }

  std::size_t bytes_;
  CUdeviceptr address_ = 0;
};

// All kernels of the cases for one dtype, on the device.
Module load_cases(Dtype dtype) {
  const Compiler compiler(std::make_shared<NvrtcLibrary>(read_settings().libnvrtc));
  const test::TempDir dir;
  copy_sources(dir / "sources");
  const KernelSources sources = KernelSources::from_directory(dir / "sources");
  VariantSource source = make_variant_source(gpu_config(dtype), sources);
  source.text = gpu_source(dtype);
  const Binary binary = compiler.compile(source, sources);
  std::vector<std::string> names;
  for (const Case& c : all_cases()) names.push_back(c.name);
  const std::shared_ptr<const Device> device(std::shared_ptr<void>(), &test::gpu());
  return Module(device, binary.code, names, kSmemBytes);
}

Words run_on_gpu(const Case& c, Dtype dtype, CUfunction function, const Words& in) {
  const DriverLibrary& driver = test::gpu().driver();
  const DeviceWords from(in), to(Words(in.size(), kUntouched));
  Args args = {
      .map_in =
          encode_tensor_map(driver, tensor_of(reinterpret_cast<void*>(from.address()), dtype)),
      .map_out = encode_tensor_map(driver, tensor_of(reinterpret_cast<void*>(to.address()), dtype)),
      .in = from.address(),
      .out = to.address()};
  CUlaunchConfig config = {};
  config.gridDimX = static_cast<unsigned>(c.ctas);
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = static_cast<unsigned>(c.threads);
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = kSmemBytes;
  void* parameters[] = {&args};
  driver.check(driver.launch_kernel_ex(&config, function, parameters, nullptr));
  return to.read();
}

}  // namespace

TEST_CASE("conformance: the GPU and the emulator agree on every function of ptx/", "[sanitizer]") {
  const Arch arch = test::gpu().info().arch;
  if (arch.major != 9 || !arch.specific) {
    std::printf("conformance: skipped, the cases are compiled for sm_90a\n");
    return;
  }
  const CurrentContext current(test::gpu());
  for (const Dtype dtype : {Dtype::kFp16, Dtype::kBf16}) {
    const Module module = load_cases(dtype);
    for (std::size_t i = 0; i < all_cases().size(); ++i) {
      const Case& c = all_cases()[i];
      INFO(c.name << " " << (dtype == Dtype::kBf16 ? "bf16" : "fp16"));
      const Words in = make_input(c, dtype);
      const Words gpu = run_on_gpu(c, dtype, module.functions()[i], in);
      std::string report;
      try {
        report = compare(c, gpu, run_emulated(c, dtype, in, test::fresh_seed()));
      } catch (const emu::Failure& failure) {
        report = failure.kind() + ": " + failure.what();
      }
      CHECK_THAT(report, Catch::Matchers::Equals(""));
    }
  }
}

}  // namespace flashjit::conformance
