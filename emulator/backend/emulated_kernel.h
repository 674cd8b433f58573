// A variant's shared object in this process.
#pragma once

#include <span>

#include "runtime/executor.h"
#include "runtime/posix_file.h"
#include "variant_launch.h"

namespace flashjit::emu {

class EmulatedKernel final : public LoadedKernel {
 public:
  // Throws Error(kData) when the bytes are no shared object with the kernels of `config`.
  EmulatedKernel(const KernelConfig& config, std::span<const std::byte> code);
  ~EmulatedKernel() override;
  EmulatedKernel(const EmulatedKernel&) = delete;
  EmulatedKernel& operator=(const EmulatedKernel&) = delete;

  ResourceUse resources() const override { return resources_; }
  std::span<const Entry> entries() const { return entries_; }

 private:
  void* find(const char* symbol) const;

  UniqueFd file_;  // open while loaded: the loader knows the object by the descriptor's path
  void* handle_ = nullptr;
  std::vector<Entry> entries_;
  ResourceUse resources_;
};

}  // namespace flashjit::emu
