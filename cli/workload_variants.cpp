#include "cli/workload_variants.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/variants.h"
#include "select.h"
#include "variant_name.h"
#include "workload.h"

namespace flashjit::cli {
namespace {

void add(PreloadedVariant variant, std::vector<PreloadedVariant>& variants) {
  const bool known = std::any_of(variants.begin(), variants.end(), [&](const auto& other) {
    return other.info.config == variant.info.config && other.error == variant.error;
  });
  if (!known) variants.push_back(std::move(variant));
}

// The devices to choose for: one of each size that was named, and those of the records.
std::vector<DeviceInfo> devices_of(const Arch& arch,
                                   const BuildSet& set,
                                   const BuildRecords* records) {
  std::vector<DeviceInfo> devices;
  const auto add_device = [&](const std::string& name, int sm_count, int clock) {
    for (const DeviceInfo& known : devices) {
      if (device_model(known) == DeviceModel{name, sm_count, clock}) return;
    }
    DeviceInfo& device = devices.emplace_back();
    device.name = name;
    device.arch = arch;
    device.sm_count = sm_count;
    device.memory_clock_khz = clock;
  };
  const char* any = "a GPU of that architecture";
  for (const int sm_count : set.sm_counts) add_device(any, sm_count, 0);
  if (devices.empty()) add_device(any, usual_sm_count(arch), 0);
  if (records == nullptr) return devices;
  for (const TuningRecord& record : records->all) {
    const DeviceModel& model = record.device;
    if (record.arch == arch) add_device(model.name, model.sm_count, model.memory_clock_khz);
  }
  return devices;
}

void add_selected(const WorkloadProblem& item,
                  const DeviceInfo& device,
                  const BuildRecords* records,
                  std::vector<PreloadedVariant>& variants) {
  PreloadedVariant variant;
  variant.problem = static_cast<std::size_t>(item.line);
  variant.info.config.problem = item.problem;
  variant.info.config.arch = device.arch;
  try {
    const Selection selection = select(item.problem,
                                       item.shape,
                                       device,
                                       std::nullopt,
                                       std::nullopt,
                                       records != nullptr ? &records->tilings : nullptr);
    variant.info.config = selection.config;
    variant.info.name = variant_name(selection.config);
    variant.info.selected_by = selection.selected_by;
  } catch (const Error& error) {
    variant.error = error.what();
    variant.error_code = error.code();
  }
  add(std::move(variant), variants);
}

}  // namespace

std::unique_ptr<BuildRecords> visible_build_records(const Settings& settings,
                                                    const KernelSources& sources) {
  if (settings.tune == TuneMode::kOff) return nullptr;
  const std::shared_ptr<spdlog::logger> logger = make_logger({}, settings);
  // Both read every record; one of them warns of the bad ones.
  const auto quiet = std::make_shared<spdlog::logger>("flashjit");
  return std::unique_ptr<BuildRecords>(new BuildRecords{TunedTilings(settings, sources, quiet),
                                                        visible_records(settings, *logger).all()});
}

std::vector<PreloadedVariant> needed_variants(const BuildSet& set, const BuildRecords* records) {
  std::vector<Arch> archs;
  for (const std::string& name : set.archs) archs.push_back(require_arch(name));
  std::vector<WorkloadProblem> problems;
  if (!set.workload.empty()) problems = read_workload(set.workload);
  std::vector<PreloadedVariant> variants;
  for (const Arch& arch : archs) {
    for (const DeviceInfo& device : devices_of(arch, set, records)) {
      for (const WorkloadProblem& item : problems) add_selected(item, device, records, variants);
    }
    for (const std::string& name : set.names) {
      PreloadedVariant variant;
      variant.info.config = require_variant(name, arch);
      variant.info.name = name;
      variant.info.selected_by = "named";
      add(std::move(variant), variants);
    }
  }
  return variants;
}

}  // namespace flashjit::cli
