// What a test wants to know of a cubin's machine code: its innermost loops over tensor-core work.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace flashjit::test {

// An innermost loop that holds HGMMA: a mainloop. Numbers of instructions by kind.
struct GemmLoop {
  int instructions = 0;
  int hgmma = 0;
  int r2ur = 0;  // moves from a register to a uniform one: descriptors that were not uniform
  int local_memory = 0;  // LDL, STL: spills
};

// Mainloops in `nvdisasm -c` output, in order of their addresses; the persistent loop around them
// is not listed.
std::vector<GemmLoop> find_gemm_loops(const std::string& sass);

// Runs `nvdisasm -c`. Throws std::runtime_error when it fails.
std::string disassemble(const std::filesystem::path& nvdisasm, std::span<const std::byte> cubin);

}  // namespace flashjit::test
