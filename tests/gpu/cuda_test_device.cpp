#include "gpu/cuda_test_device.h"

#include "settings.h"

namespace flashjit::test {
namespace {

// Blocks of device memory start on 256 bytes; the host's offset from a 64-byte boundary is kept, so
// that a misaligned case is misaligned on the device too.
constexpr std::size_t kBoundary = 64;

}  // namespace

const Device& gpu() {
  // Never destroyed: at process exit the driver may be gone before it.
  static const Device& device =
      *new Device(std::make_shared<const DriverLibrary>(read_settings().libcuda), 0);
  return device;
}

CudaTestDevice::CudaTestDevice(Runtime& runtime) : runtime_(runtime), current_(gpu()) {
  gpu().driver().check(gpu().driver().stream_create(&stream_, CU_STREAM_NON_BLOCKING));
}

CudaTestDevice::~CudaTestDevice() {
  release();
  gpu().driver().stream_destroy(stream_);
}

std::byte* CudaTestDevice::upload(std::span<std::byte> bytes) {
  const DriverLibrary& driver = gpu().driver();
  const std::size_t offset = reinterpret_cast<std::uintptr_t>(bytes.data()) % kBoundary;
  CUdeviceptr block = 0;
  driver.check(driver.mem_alloc(&block, bytes.size() + kBoundary));
  blocks_.push_back(block);
  if (!bytes.empty()) {
    driver.check(driver.memcpy_htod_async(block + offset, bytes.data(), bytes.size(), stream_));
  }
  return reinterpret_cast<std::byte*>(block + offset);
}

void CudaTestDevice::download(const std::byte* from, std::span<std::byte> bytes) {
  const DriverLibrary& driver = gpu().driver();
  if (!bytes.empty()) {
    const auto address = reinterpret_cast<CUdeviceptr>(from);
    driver.check(driver.memcpy_dtoh_async(bytes.data(), address, bytes.size(), stream_));
  }
  driver.check(driver.stream_synchronize(stream_));
}

void CudaTestDevice::release() {
  for (const CUdeviceptr block : blocks_) {
    gpu().driver().mem_free(block);
  }
  blocks_.clear();
}

void CudaTestDevice::forward(const AttentionArgs& args) {
  runtime_.forward(args, stream_);
  gpu().driver().check(gpu().driver().stream_synchronize(stream_));
}

}  // namespace flashjit::test
