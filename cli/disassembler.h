// SASS of a cubin, through NVIDIA's nvdisasm where it is installed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "settings.h"

namespace flashjit::cli {

// Settings::nvdisasm, else PATH and the toolkit directories; empty: none. Never a place below the
// current directory: what stands there is not ours to run.
std::filesystem::path find_nvdisasm(const Settings& settings);

// Throws Error(kNotSupported) that says what to install when there is none, or what it said when it
// fails.
std::string disassemble(std::span<const std::byte> cubin, const Settings& settings);

}  // namespace flashjit::cli
