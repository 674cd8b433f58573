#include "cli/tensors.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "cli/scalar.h"

namespace flashjit::cli {

std::unique_ptr<GpuSession> try_gpu(const Settings& settings, int ordinal, std::string& why_not) {
  try {
    return std::make_unique<GpuSession>(settings, ordinal);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNoDriver) throw;
    why_not = error.what();
    return nullptr;
  }
}

Memory::Memory(const Device* device, std::size_t bytes) {
  if (device != nullptr) {
    gpu_.emplace(*device, bytes);
  } else {
    host_.resize(bytes);
  }
}

void* Memory::data() { return gpu_ ? gpu_->data() : host_.data(); }

void Memory::write(const void* source) {
  if (gpu_) {
    gpu_->upload(source);
  } else {
    std::memcpy(host_.data(), source, host_.size());
  }
}

std::vector<std::byte> Memory::read() const {
  if (!gpu_) return host_;
  std::vector<std::byte> copy(gpu_->bytes());
  gpu_->download(copy.data());
  return copy;
}

Tensors::Tensors(const Device* device,
                 const AttentionProblem& problem,
                 const void* q,
                 const void* k,
                 const void* v)
    : problem_(problem),
      q_(device, problem.q_elements() * size_of(problem.dtype)),
      k_(device, problem.kv_elements() * size_of(problem.dtype)),
      v_(device, problem.kv_elements() * size_of(problem.dtype)),
      o_(device, q_.bytes()) {
  q_.write(q);
  k_.write(k);
  v_.write(v);
  const std::vector<std::byte> nan(o_.bytes(), std::byte{0xFF});  // a NaN in every dtype
  o_.write(nan.data());
}

Tensors::Tensors(const Device* device, const AttentionProblem& problem, unsigned seed)
    : Tensors(device,
              problem,
              random_elements(problem.dtype, problem.q_elements(), 3 * seed).data(),
              random_elements(problem.dtype, problem.kv_elements(), 3 * seed + 1).data(),
              random_elements(problem.dtype, problem.kv_elements(), 3 * seed + 2).data()) {}

AttentionArgs Tensors::args() {
  AttentionArgs args = problem_.args(q_.data(), k_.data(), v_.data(), o_.data());
  args.workspace = workspace_.bytes() > 0 ? workspace_.data() : nullptr;
  args.workspace_size = workspace_.bytes();
  return args;
}

void Tensors::provide_workspace(const Device* device, Runtime& runtime) {
  const std::size_t bytes = runtime.workspace_bytes(args());
  if (bytes > workspace_.bytes()) workspace_ = Memory(device, bytes);
}

std::vector<std::byte> random_elements(Dtype dtype, std::size_t count, unsigned seed) {
  // Gigabytes of normal deviates take minutes; a period of a few megabytes is as random to a
  // kernel, whose tiles are far smaller. The odd length keeps rows from repeating.
  constexpr std::size_t kPeriod = (1u << 20) + 7;
  const std::size_t size = static_cast<std::size_t>(size_of(dtype));
  std::vector<std::byte> elements(count * size);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  const std::size_t fresh = std::min(count, kPeriod);
  for (std::size_t i = 0; i < fresh; ++i)
    store_element(elements.data(), dtype, i, normal(generator));
  for (std::size_t i = fresh; i < count; i += fresh) {
    std::memcpy(elements.data() + i * size, elements.data(), std::min(fresh, count - i) * size);
  }
  return elements;
}

}  // namespace flashjit::cli
