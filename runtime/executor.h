// What a backend that runs compiled variants must be able to do. Two exist: CudaExecutor (NVRTC and
// the Driver API) and the emulator's, which lives in its own library.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "flashjit/runtime.h"
#include "kernel_sources.h"
#include "select.h"

namespace flashjit {

// A variant as text, ready to be compiled.
struct VariantSource {
  KernelConfig config;
  std::string name;
  std::string text;       // kernel.cu
  std::string wgmma_ops;  // "" or the text of ptx/wgmma_ops.h
  std::vector<std::string> options;
  std::string sources_digest;  // of the kernel sources that the text includes
};

// What a compiler made of it.
struct Binary {
  std::vector<std::byte> code;  // a cubin, or the emulator's shared object
  std::string log;              // warnings, ptxas information
  double compile_ms = 0;
  ResourceUse resources;
  // What makes a variant slow without making it wrong: spills, serialised wgmma, ignored
  // setmaxnreg. Found in the log, so not stored beside it.
  std::vector<std::string> warnings;
};

// A kernel in the device's memory. Immutable; launches from any thread.
class LoadedKernel {
 public:
  virtual ~LoadedKernel() = default;
  virtual ResourceUse resources() const = 0;
};

class Executor {
 public:
  virtual ~Executor() = default;

  virtual Backend backend() const = 0;
  virtual const DeviceInfo& device() const = 0;

  // "nvrtc 13 65be0db342ad" or "g++ 12.2.0": part of the cache key. Throws Error(kNoCompiler).
  virtual std::string compiler_build() const = 0;
  virtual Binary compile(const VariantSource& source, const KernelSources& sources) const = 0;
  virtual std::unique_ptr<LoadedKernel> load(const KernelConfig& config,
                                             std::span<const std::byte> code) const = 0;

  // Enqueues all kernels of the variant on `stream`. No allocation on the heap, no lock, no
  // synchronisation.
  virtual void launch(const LoadedKernel& kernel,
                      const KernelConfig& config,
                      const AttentionArgs& args,
                      const ProblemShape& shape,
                      Stream stream) const = 0;

  // Whether `stream` is capturing a graph.
  virtual bool is_capturing(Stream stream) const = 0;
  // Throws Error(kInvalidArgument) naming the argument if a pointer is not memory of this device.
  virtual void check_pointers(const AttentionArgs& args) const = 0;
};

// Device memory that one launch of the variant needs, in bytes.
std::size_t workspace_bytes(const KernelConfig& config,
                            const ProblemShape& shape,
                            const DeviceInfo& device);

}  // namespace flashjit
