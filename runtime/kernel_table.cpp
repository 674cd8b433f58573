#include "kernel_table.h"

#include <cstdint>

#include "mixer.h"

namespace flashjit {
namespace {

constexpr std::size_t kFirstSize = 64;

}  // namespace

std::size_t hash_of(const KernelConfig& config) {
  Mixer hash;
  const auto mix = [&hash](auto value) { hash.add(static_cast<std::uint64_t>(value)); };
  const Problem& p = config.problem;
  mix(p.dtype), mix(p.head_dim_qk), mix(p.head_dim_v), mix(p.mask), mix(p.return_lse);
  const Tiling& t = config.tiling;
  mix(t.family), mix(t.block_m), mix(t.block_n), mix(t.num_stages), mix(t.num_q_stages);
  mix(t.num_warps), mix(t.overlap), mix(t.ping_pong), mix(t.skip_masked), mix(t.row_sum_by_mma);
  mix(t.probs_in_smem), mix(t.cluster_size);
  mix(t.schedule), mix(t.rescale), mix(t.epilogue), mix(t.producer_regs), mix(t.consumer_regs);
  mix(config.arch.major), mix(config.arch.minor), mix(config.arch.specific);
  return hash.top_bits(32);
}

KernelTable::KernelTable() {
  arrays_.push_back(std::make_unique<Array>(kFirstSize));
  current_.store(arrays_.back().get(), std::memory_order_release);
}

KernelTable::~KernelTable() = default;

void KernelTable::Array::place(const Kernel* kernel) {
  std::size_t at = hash_of(kernel->info.config) % slots.size();
  while (slots[at].load(std::memory_order_relaxed) != nullptr) at = (at + 1) % slots.size();
  slots[at].store(kernel, std::memory_order_release);
}

const Kernel* KernelTable::find(const KernelConfig& config) const {
  const Array& array = *current_.load(std::memory_order_acquire);
  for (std::size_t at = hash_of(config) % array.slots.size();; at = (at + 1) % array.slots.size()) {
    const Kernel* kernel = array.slots[at].load(std::memory_order_acquire);
    if (kernel == nullptr || kernel->info.config == config) return kernel;
  }
}

const Kernel& KernelTable::insert(std::unique_ptr<Kernel> kernel) {
  kernels_.push_back(std::move(kernel));
  Array* array = arrays_.back().get();
  if (2 * kernels_.size() <= array->slots.size()) {
    array->place(kernels_.back().get());
  } else {
    arrays_.push_back(std::make_unique<Array>(2 * array->slots.size()));
    for (const auto& each : kernels_) arrays_.back()->place(each.get());
    current_.store(arrays_.back().get(), std::memory_order_release);
  }
  return *kernels_.back();
}

}  // namespace flashjit
