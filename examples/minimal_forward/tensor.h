// A random fp16 tensor [batch, seqlen, heads, head_dim] for the example: in device memory through
// the CUDA runtime, in host memory for the CPU backend.
#pragma once

#include <flashjit/flashjit.h>

#include <cstddef>
#include <random>
#include <stdexcept>
#include <vector>

#ifdef HAVE_CUDART
#include <cuda_runtime_api.h>
constexpr flashjit::Backend kBackend = flashjit::Backend::kAuto;
#else
constexpr flashjit::Backend kBackend = flashjit::Backend::kCpu;
#endif

class Tensor {
 public:
  Tensor(int batch, int seqlen, int heads, int head_dim, bool on_device)
      : shape_{batch, seqlen, heads, head_dim},
        host_(std::size_t(batch) * seqlen * heads * head_dim) {
    static std::mt19937 random;
    std::normal_distribution<float> normal;
    for (_Float16& value : host_) {
      value = static_cast<_Float16>(normal(random));
    }
#ifdef HAVE_CUDART
    if (on_device) {
      check(cudaMalloc(&device_, bytes()));
      check(cudaMemcpy(device_, host_.data(), bytes(), cudaMemcpyHostToDevice));
    }
#else
    static_cast<void>(on_device);
#endif
  }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;
  ~Tensor() {
#ifdef HAVE_CUDART
    cudaFree(device_);
#endif
  }

  flashjit::TensorView view() {
    return flashjit::bshd(device_ ? device_ : host_.data(),
                          flashjit::Dtype::kFp16,
                          shape_[0],
                          shape_[1],
                          shape_[2],
                          shape_[3]);
  }

  // The values on the host; waits for the device.
  const std::vector<_Float16>& read() {
#ifdef HAVE_CUDART
    if (device_) {
      check(cudaMemcpy(host_.data(), device_, bytes(), cudaMemcpyDeviceToHost));
    }
#endif
    return host_;
  }

 private:
#ifdef HAVE_CUDART
  static void check(cudaError_t status) {
    if (status != cudaSuccess) {
      throw std::runtime_error(cudaGetErrorString(status));
    }
  }
  std::size_t bytes() const { return host_.size() * sizeof(_Float16); }
#endif

  int shape_[4];
  std::vector<_Float16> host_;
  void* device_ = nullptr;
};
