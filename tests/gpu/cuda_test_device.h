// Device memory and a stream of its own for check_attention, around a Runtime that several of these
// may share.
#pragma once

#include <memory>
#include <vector>

#include "device.h"
#include "flashjit/runtime.h"
#include "support/check_attention.h"

namespace flashjit::test {

// GPU 0 through the driver that the settings name. Shared by all tests of the process.
const Device& gpu();

// One thread's view of the GPU: its memory, its stream. Not thread-safe itself.
class CudaTestDevice : public TestDevice {
 public:
  explicit CudaTestDevice(Runtime& runtime);
  ~CudaTestDevice() override;

  std::byte* upload(std::span<std::byte> bytes) override;
  void download(const std::byte* from, std::span<std::byte> bytes) override;
  void release() override;
  void forward(const AttentionArgs& args) override;

  Stream stream() const { return stream_; }

 private:
  Runtime& runtime_;
  CurrentContext current_;
  CUstream stream_ = nullptr;
  std::vector<CUdeviceptr> blocks_;
};

}  // namespace flashjit::test
