// A cubin in the device's memory, unloaded with its last owner.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device.h"

namespace flashjit {

class Module {
 public:
  // Loads a verified cubin and its functions at once, so that no later launch has to, which a
  // capturing stream would forbid. The driver takes no length: `cubin` must be whole.
  Module(std::shared_ptr<const Device> device,
         std::span<const std::byte> cubin,
         const std::vector<std::string>& function_names,
         int dynamic_smem_bytes);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // In the order of `function_names`.
  std::span<const CUfunction> functions() const { return functions_; }

  // The largest over the functions, as the driver reports it.
  int attribute(CUfunction_attribute which) const;
  // CTAs of the first function that one SM holds.
  int ctas_per_sm(int threads, int dynamic_smem_bytes) const;

 private:
  std::shared_ptr<const Device> device_;
  CUmodule module_ = nullptr;
  std::vector<CUfunction> functions_;
};

}  // namespace flashjit
