#include "autotune/sm_clock.h"

#include <algorithm>
#include <array>

namespace flashjit {
namespace {

// The five calls of nvml.h that are used; the header is not part of the packages that this project
// builds with.
using NvmlInit = int();
using NvmlShutdown = int();
using NvmlDeviceGetHandleByPciBusId = int(const char* pci_bus_id, void** device);
using NvmlSystemGetDriverVersion = int(char* version, unsigned length);
using NvmlDeviceGetClockInfo = int(void* device, int type, unsigned* mhz);
constexpr int kNvmlSuccess = 0;
constexpr int kNvmlClockSm = 1;  // NVML_CLOCK_SM

std::unique_ptr<SharedLibrary> open_nvml() {
  return std::make_unique<SharedLibrary>(std::vector<std::string>{"libnvidia-ml.so.1"},
                                         ErrorCode::kNoDriver,
                                         "NVML comes with the driver");
}

}  // namespace

SmClock::SmClock(const std::string& pci_bus_id) {
  try {
    library_ = open_nvml();
    NvmlInit* init = nullptr;
    NvmlDeviceGetHandleByPciBusId* get_handle = nullptr;
    library_->load("nvmlInit_v2", init);
    library_->load("nvmlDeviceGetHandleByPciBusId_v2", get_handle);
    if (init() != kNvmlSuccess || get_handle(pci_bus_id.c_str(), &device_) != kNvmlSuccess)
      device_ = nullptr;
  } catch (const Error&) {
    device_ = nullptr;
  }
}

SmClock::~SmClock() {
  if (!library_) return;
  if (void* shutdown = library_->find("nvmlShutdown")) reinterpret_cast<NvmlShutdown*>(shutdown)();
}

void SmClock::sample() {
  if (device_ == nullptr) return;
  void* get_clock = library_->find("nvmlDeviceGetClockInfo");
  unsigned mhz = 0;
  if (get_clock != nullptr && reinterpret_cast<NvmlDeviceGetClockInfo*>(get_clock)(
                                  device_, kNvmlClockSm, &mhz) == kNvmlSuccess) {
    samples_mhz_.push_back(mhz);
  }
}

double SmClock::median_mhz() const {
  if (samples_mhz_.empty()) return 0;
  std::vector<unsigned> sorted = samples_mhz_;
  std::sort(sorted.begin(), sorted.end());
  return sorted[sorted.size() / 2];
}

std::string nvidia_driver_version() {
  std::array<char, 96> text{};
  try {
    const std::unique_ptr<SharedLibrary> library = open_nvml();
    NvmlInit* init = nullptr;
    NvmlShutdown* shutdown = nullptr;
    NvmlSystemGetDriverVersion* get_version = nullptr;
    library->load("nvmlInit_v2", init);
    library->load("nvmlShutdown", shutdown);
    library->load("nvmlSystemGetDriverVersion", get_version);
    if (init() != kNvmlSuccess) return "";
    if (get_version(text.data(), static_cast<unsigned>(text.size()) - 1) != kNvmlSuccess)
      text[0] = 0;
    shutdown();
  } catch (const Error&) {
    return "";
  }
  return text.data();
}

}  // namespace flashjit
