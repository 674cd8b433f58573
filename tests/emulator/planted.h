// Small kernels with a planted fault, run on the emulator's core alone, and what it reports of
// them. A kernel is a lambda that every thread calls; the files that include this are compiled with
// flashjit_emulate().
#pragma once
#include <array>
#include <map>
#include <string>

#include "emulator/core/launch.h"
#include "emulator/core/tensor_map.h"
#include "support/catch.h"

namespace flashjit::emu {

struct Finding {
  std::string kind = "none", report;
};

// Shared memory of planted kernels: a tile, then mbarriers; warp 0 is the producer.
inline constexpr u32 kTile = 0, kTileBytes = 8192, kBarriers = kTileBytes, kSmemBytes = 8192 + 64;

inline Options planted_options() {
  Options options;
  options.warp_roles = {"producer", "consumer"};
  options.smem_regions = {{"tile", kTile, kTileBytes}, {"barriers", kBarriers, 64}};
  return options;
}

// Of one cluster, most often of one CTA.
template <class Kernel>
Finding find(unsigned threads,
             const Kernel& kernel,
             const Options& options = planted_options(),
             unsigned ctas = 1) {
  try {
    launch({ctas, 1, 1}, {threads, 1, 1}, kSmemBytes, kernel, options, ctas);
  } catch (const Failure& failure) {
    return {failure.kind(), failure.what()};
  }
  return {};
}

// What ten schedules find: the first, after a check that all of them found its kind.
template <class Kernel>
Finding find_in_all(unsigned threads,
                    const Kernel& kernel,
                    Options options = planted_options(),
                    unsigned ctas = 1) {
  Finding first;
  for (options.seed = 1; options.seed <= 10; ++options.seed) {
    const Finding finding = find(threads, kernel, options, ctas);
    INFO("seed " << options.seed << ": " << finding.report);
    if (options.seed == 1) first = finding;
    CHECK(finding.kind == first.kind);
  }
  return first;
}

// A report of each kind that ten schedules find, where the schedule decides what goes wrong first.
template <class Kernel>
std::map<std::string, std::string> reports_by_kind(unsigned threads,
                                                   const Kernel& kernel,
                                                   unsigned ctas = 1) {
  std::map<std::string, std::string> reports;
  Options options = planted_options();
  for (options.seed = 1; options.seed <= 10; ++options.seed) {
    const Finding finding = find(threads, kernel, options, ctas);
    reports.emplace(finding.kind, finding.report);
  }
  return reports;
}

// "happens_before_test.cpp:42", as reports name a line.
inline std::string line_of(const char* file, int line) {
  const std::string name = file;
  return name.substr(name.rfind('/') + 1) + ":" + std::to_string(line);
}

// A K-major operand without swizzle: core matrices of 8 rows by 16 bytes, two of them for k16, the
// next eight rows behind them.
inline u64 plain_descriptor(u32 addr) {
  return addr >> 4 | u64{128 >> 4} << 16 | u64{256 >> 4} << 32;
}

struct alignas(16) Global {
  std::array<u16, 512> elements{};
};
// A two-dimensional tensor of 64 x 8 elements: one box of 128 bytes by eight rows.
inline TensorMap map_of(void* base) {
  TensorMapFields fields;
  fields.base = static_cast<u8*>(base);
  fields.rank = 2;
  fields.dims[0] = 64, fields.dims[1] = 8;
  fields.box[0] = 64, fields.box[1] = 8;
  fields.strides[0] = 128;
  return encode_tensor_map(fields);
}

}  // namespace flashjit::emu
