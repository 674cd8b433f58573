// Where the tests find files of this repository and of its build. Paths stand in paths.cpp alone,
// so that a compiler cache serves one checkout with what another has compiled.
#pragma once

#include <filesystem>

namespace flashjit::test {

const std::filesystem::path& source_dir();  // the repository
const std::filesystem::path& build_dir();   // the build directory

}  // namespace flashjit::test
