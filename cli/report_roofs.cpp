#include "cli/report_roofs.h"

#include <string_view>

namespace flashjit::cli {
namespace {

struct DataSheet {
  std::string_view device;  // as the driver calls it
  double tflops, gb_per_s;  // bf16, dense; memory
};

// NVIDIA's data sheets of H100 and H200, SXM. Theirs are 1,979 TFLOP/s with sparsity, which halves
// the work; dense, 132 SMs · 4096 FLOP per clock · 1830 MHz.
constexpr DataSheet kDataSheets[] = {
    {"NVIDIA H100 80GB HBM3", 989.4, 3350},
    {"NVIDIA H200", 989.4, 4800},
};

Json roofs(const std::string& device, double tflops, double gb_per_s, bool measured) {
  return {{"device", device}, {"tflops", tflops}, {"gb_per_s", gb_per_s}, {"measured", measured}};
}

}  // namespace

Json roofs_of(const std::string& device, const std::vector<Json>& baselines) {
  for (const Json& baseline : baselines) {
    if (baseline.value("device", "") != device || !baseline.contains("ceilings")) continue;
    const Json& ceilings = baseline.at("ceilings");
    const double tflops = ceilings.value("bf16_gemm_8192_tflops", 0.0);
    const double gb_per_s = ceilings.value("device_copy_GB_s", 0.0);
    if (tflops > 0 && gb_per_s > 0) return roofs(device, tflops, gb_per_s, true);
  }
  for (const DataSheet& sheet : kDataSheets)
    if (sheet.device == device) return roofs(device, sheet.tflops, sheet.gb_per_s, false);
  return nullptr;
}

}  // namespace flashjit::cli
