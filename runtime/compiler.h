// NVRTC: a variant's text → cubin, log and resource use. Needs neither a driver nor a GPU.
#pragma once

#include <memory>
#include <string>

#include "executor.h"
#include "nvrtc_library.h"

namespace flashjit {

// Stateless; compiles from any number of threads at once.
class Compiler {
 public:
  explicit Compiler(std::shared_ptr<const NvrtcLibrary> nvrtc) : nvrtc_(std::move(nvrtc)) {}

  // "nvrtc 13 65be0db342ad".
  std::string build() const { return "nvrtc " + nvrtc_->build(); }
  const NvrtcLibrary& library() const { return *nvrtc_; }

  // Throws Error(kCompileFailed) with the variant, the log and the path of a directory of its own
  // that holds the source, everything that it includes, the options and the log; Error(kNoCompiler)
  // when this NVRTC is too old for the target.
  Binary compile(const VariantSource& source, const KernelSources& sources) const;

  // The PTX between the two, for `flashjit inspect`. Throws as compile does.
  std::string compile_to_ptx(const VariantSource& source, const KernelSources& sources) const;

 private:
  std::shared_ptr<const NvrtcLibrary> nvrtc_;
};

// The compiler output's numbers with what the config implies, filled into `binary` from its log.
void fill_resources(Binary& binary, const KernelConfig& config);

}  // namespace flashjit
