// The device sources as the build embedded them; read through KernelSources.
#pragma once

#include <span>
#include <string_view>

namespace flashjit {

struct EmbeddedFile {
  std::string_view path;  // inside kernel_src/
  std::string_view text;
};

std::span<const EmbeddedFile> embedded_kernel_sources();

}  // namespace flashjit
