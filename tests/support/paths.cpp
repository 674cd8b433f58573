#include "support/paths.h"

namespace flashjit::test {

const std::filesystem::path& source_dir() {
  static const std::filesystem::path path = FLASHJIT_SOURCE_DIR;
  return path;
}

const std::filesystem::path& build_dir() {
  static const std::filesystem::path path = FLASHJIT_BUILD_DIR;
  return path;
}

}  // namespace flashjit::test
