// Which cubin runs where, as the CUDA C++ Programming Guide has it (sections "Binary Compatibility"
// and "Feature Set Compiler Targets"), and which driver it needs. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "flashjit/kernel_config.h"

namespace flashjit {

// Tegra chips share a major number with desktop GPUs but not their binaries.
constexpr bool is_tegra(const Arch& arch) {
  const int cc = 10 * arch.major + arch.minor;
  return cc == 53 || cc == 62 || cc == 72 || cc == 87 || cc == 110;
}

// Whether a cubin for `target` runs on a GPU of compute capability `device` (its suffix does not
// matter): the same major and an equal or higher minor; suffix `a` and Tegra exactly.
constexpr bool can_run(const Arch& target, const Arch& device) {
  if (target.major != device.major) return false;
  if (target.specific || is_tegra(target) || is_tegra(device)) {
    return target.minor == device.minor;
  }
  return target.minor <= device.minor;
}

// The targets whose cubins run on the device, as far as this program knows them: the device's own
// first, then from the newest to the oldest.
std::vector<Arch> runnable_targets(const Arch& device);

// The first CUDA version, as cuDriverGetVersion counts, whose driver knows the target; 0 when this
// program does not know it.
constexpr int first_cuda_version(const Arch& arch) {
  switch (10 * arch.major + arch.minor) {
    case 75:
      return 10000;
    case 80:
      return 11000;
    case 86:
      return 11010;
    case 87:
      return 11040;
    case 89:
    case 90:
      return 11080;
    case 100:
    case 120:
      return 12080;
    case 103:
    case 121:
      return 12090;
    case 110:
      return 13000;
    default:
      return 0;
  }
}

// The oldest driver that loads a cubin of this target made by this compiler ("nvrtc 13.0.48"): it
// has the compiler's major (within it, any minor loads any cubin) and knows the target. 0 for
// another kind of compiler.
int minimum_driver(const Arch& target, const std::string& compiler_build);

// "" if a device of this compute capability and this driver can load the cubin, else why not and
// what to do.
std::string why_not_loadable(const Arch& target,
                             const std::string& compiler_build,
                             const Arch& device,
                             int driver_version);

}  // namespace flashjit
