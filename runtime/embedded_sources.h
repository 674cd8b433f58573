// What the build embedded: the device sources, read through KernelSources, and the tuning records
// of autotune/records, read through tuning_record_files.
#pragma once

#include <span>
#include <string_view>

namespace flashjit {

struct EmbeddedFile {
  std::string_view path;  // inside the embedded directory
  std::string_view text;
};

std::span<const EmbeddedFile> embedded_kernel_sources();
std::span<const EmbeddedFile> embedded_tuning_records();

}  // namespace flashjit
