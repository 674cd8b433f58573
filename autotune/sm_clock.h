// The SM clock while something is measured, sampled through NVML where it is installed: without it
// a time is kept with an unknown clock, never refused.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shared_library.h"

namespace flashjit {

class SmClock {
 public:
  explicit SmClock(const std::string& pci_bus_id);
  ~SmClock();
  SmClock(const SmClock&) = delete;
  SmClock& operator=(const SmClock&) = delete;

  void sample();
  double median_mhz() const;  // 0 when nothing could be sampled

 private:
  std::unique_ptr<SharedLibrary> library_;  // null: no NVML
  void* device_ = nullptr;
  std::vector<unsigned> samples_mhz_;
};

// "580.159.04", or "" without NVML.
std::string nvidia_driver_version();

}  // namespace flashjit
