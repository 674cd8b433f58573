// The registry's map from config to kernel: readers take no lock and see whole entries.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "kernel_registry.h"

namespace flashjit {

std::size_t hash_of(const KernelConfig& config);

// Open addressing over atomic pointers. Grows by replacing the array with one of twice the size;
// the old arrays stay until the end, because a reader may still be in one: together they are as
// large as the newest.
class KernelTable {
 public:
  KernelTable();
  ~KernelTable();

  // Wait-free beside any insert.
  const Kernel* find(const KernelConfig& config) const;

  // Takes the kernel for good. One writer at a time; the config must be new.
  const Kernel& insert(std::unique_ptr<Kernel> kernel);

  // In the order of insertion; the caller is the writer.
  const std::vector<std::unique_ptr<Kernel>>& kernels() const { return kernels_; }

 private:
  struct Array {
    explicit Array(std::size_t size) : slots(size) {}
    void place(const Kernel* kernel);

    std::vector<std::atomic<const Kernel*>> slots;  // a power of two of them, at most half full
  };

  std::vector<std::unique_ptr<Array>> arrays_;
  std::atomic<const Array*> current_;
  std::vector<std::unique_ptr<Kernel>> kernels_;
};

}  // namespace flashjit
