// The conformance of the emulator with the GPU, function by function of kernel_src/ptx/: what goes
// into a kernel of ptx_cases*.cuh, what must come out, and how exactly.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "emulator/core/options.h"
#include "kernel_src/kernel_config.h"
#include "runtime/tma_layout.h"

namespace flashjit::conformance {

using Words = std::vector<u32>;

struct Case {
  std::string name;     // of the function in kernel_src/ptx/ and of its kernel
  bool hopper = false;  // only sm_90a has it
  int threads = 128;
  int ctas = 1;  // in one cluster
  enum Input {
    kBits,
    kFloats,
    kIntegers
  } input = kBits;  // random bits, fp32, small 16-bit integers
  // What must come out of `in`; words that are not touched keep kUntouched.
  std::function<void(Dtype, const Words& in, Words& out)> expect;
  // 0: bit for bit. Otherwise the documented error of an approximation, relative or absolute,
  // whichever is larger; NaN and infinities must be where they are.
  double relative = 0, absolute = 0;
  bool any_nan = false;  // one NaN is as good as another
};

inline constexpr u32 kUntouched = 0xabababab;
inline constexpr int kNumWords = 4096;             // of input and output; kWords of the device text
inline constexpr int kTensorRows = 24, kBox = 16;  // of tensor_of(): rows, and those of a box

const std::vector<Case>& all_cases();

Words make_input(const Case& test_case, Dtype dtype);
// A tensor [2][3][24][64] of 16-bit elements over a buffer of kWords, and boxes of [16][64].
TensorMapSpec tensor_of(void* buffer, Dtype dtype);

// The kernel on the emulator, with every detector on. Throws emu::Failure.
Words run_emulated(const Case& test_case, Dtype dtype, const Words& in, std::uint64_t seed);

// "" or the first word in which two results differ by more than the case allows.
std::string compare(const Case& test_case, const Words& result, const Words& wanted);

// The text of the kernels; each includes those before it.
inline constexpr const char* kCaseFiles[] = {
    "ptx_cases.cuh", "ptx_cases_sm90.cuh", "ptx_cases_cluster.cuh"};
// What NVRTC compiles: all kernels as extern "C" <name>(Args), and the sources they include.
std::string gpu_source(Dtype dtype);
// The config whose wgmma shapes and options the cases use.
KernelConfig gpu_config(Dtype dtype);
// kernel_src/ and the cases, below `dir`, for KernelSources::from_directory.
void copy_sources(const std::filesystem::path& dir);

}  // namespace flashjit::conformance
