// What a case is run with: its input, the generated text of the kernels, the comparison.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include "conformance/cases.h"
#include "emulator/include/emu/float16.h"
#include "runtime/variant_name.h"
#include "support/paths.h"

namespace flashjit::conformance {

Words make_input(const Case& test_case, Dtype dtype) {
  std::mt19937 random(20250101);
  Words words(kNumWords);
  const auto integer = [&]() -> u32 {
    const float x = float(int(random() % 9) - 4);
    return dtype == Dtype::kBf16 ? emu::float_to_bf16(x) : emu::float_to_fp16(x);
  };
  for (u32& word : words) {
    if (test_case.input == Case::kIntegers) {
      word = integer() | integer() << 16;
    } else if (test_case.input == Case::kFloats && random() % 2) {
      // As large as arguments of a softmax are; the other half are all bit patterns.
      word = std::bit_cast<u32>(float(int(random() % 20001) - 10000) / 64.f);
    } else {
      word = random();
    }
  }
  if (test_case.input == Case::kFloats) {
    constexpr u32 kSpecial[] = {0x00000000, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000,
                                0xffc12345, 0x00000001, 0x80000001, 0x007fffff, 0x00800000,
                                0x7f7fffff, 0x3f800000, 0xbf800000, 0x33000000, 0x33000001,
                                0x477fefff, 0x477ff000, 0x3f808000, 0x3f818000, 0x7f7f8000};
    // max_f32 pairs word i with word 7 · i + 1: neighbours of zeros are zeros of the other sign.
    for (std::size_t i = 0; i < std::size(kSpecial); ++i) words[100 + i] = kSpecial[i];
    words[10] = 0, words[71] = 0x80000000;
    words[20] = 0x80000000, words[141] = 0;
    words[30] = 0x7fc00001, words[211] = 0xffc00000;
  }
  return words;
}

TensorMapSpec tensor_of(void* buffer, Dtype dtype) {
  constexpr std::uint64_t kRowBytes = 128;
  return {.base = buffer,
          .dtype = dtype,
          .dims = {64, kTensorRows, 3, 2, 1},
          .strides = {kRowBytes,
                      kRowBytes * kTensorRows,
                      kRowBytes * kTensorRows * 3,
                      kRowBytes * kTensorRows * 6},
          .box = {64, kBox, 1, 1, 1}};
}

std::string compare(const Case& c, const Words& result, const Words& wanted) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (result[i] == wanted[i]) continue;
    const double x = std::bit_cast<float>(result[i]), y = std::bit_cast<float>(wanted[i]);
    if (c.any_nan && std::isnan(x) && std::isnan(y)) continue;
    const double limit = std::max(c.absolute, c.relative * std::abs(y));
    if (limit > 0 && std::isfinite(x) && std::isfinite(y) && std::abs(x - y) <= limit) continue;
    return fmt::format("{}: word {} is {:#010x} ({:g}) and should be {:#010x} ({:g})",
                       c.name,
                       i,
                       result[i],
                       x,
                       wanted[i],
                       y);
  }
  return "";
}

std::string gpu_source(Dtype dtype) {
  std::string text = "#include \"conformance/ptx_cases_cluster.cuh\"\n";
  for (const Case& c : all_cases()) {
    text += fmt::format(
        "extern \"C\" __global__ void {}__launch_bounds__({}, 1)\n"
        "{}(const __grid_constant__ flashjit::conformance::Args args) {{\n"
        "  flashjit::conformance::{}<flashjit::Dtype::{}>(args);\n}}\n",
        c.ctas > 1 ? fmt::format("__cluster_dims__({}) ", c.ctas) : "",
        c.threads,
        c.name,
        c.name,
        dtype == Dtype::kBf16 ? "kBf16" : "kFp16");
  }
  return text;
}

KernelConfig gpu_config(Dtype dtype) {
  const std::string name = fmt::format("fwd_sm90_{}_d64_m128n64s2", to_string(dtype));
  return parse_variant_name(name, {.major = 9, .minor = 0, .specific = true}).value();
}

void copy_sources(const std::filesystem::path& dir) {
  namespace fs = std::filesystem;
  fs::copy(test::source_dir() / "kernel_src", dir, fs::copy_options::recursive);
  fs::create_directory(dir / "conformance");
  for (const char* name : kCaseFiles)
    fs::copy(test::source_dir() / "tests/conformance" / name, dir / "conformance");
}

}  // namespace flashjit::conformance
