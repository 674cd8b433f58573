// The device sources: embedded in the library, or read from an edited directory
// (FLASHJIT_KERNEL_DIR).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "flashjit/kernel_config.h"

namespace flashjit {

// Immutable after construction; shared by all threads of a Runtime.
class KernelSources {
 public:
  static KernelSources embedded();
  // Reads every .h and .cuh below `dir`. Throws Error(kIo).
  static KernelSources from_directory(const std::filesystem::path& dir);

  // Path inside kernel_src/ → text.
  const std::map<std::string, std::string>& files() const { return files_; }

  // The files that `text` includes, directly or not, in a stable order. Throws Error(kData) naming
  // an include that does not exist.
  std::vector<std::string> include_closure(const std::string& text) const;
  // Hex SHA-256 over names and texts of include_closure(text): changes when, and only when, a file
  // that the variant includes changes.
  std::string digest(const std::string& text) const;

 private:
  std::map<std::string, std::string> files_;
};

}  // namespace flashjit
