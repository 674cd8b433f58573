#include "cli/report_devices.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <tuple>

#include "driver_library.h"
#include "flashjit/error.h"

namespace flashjit::cli {
namespace {

struct DeviceSummary {
  int problems = 0, these_sources = 0;
  std::string date;  // of the last record; ISO 8601 sorts as text
};

DeviceSummary summary_of(const std::vector<TuningRecord>& records,
                         const FamilyDigests& digests,
                         const std::string& device) {
  DeviceSummary summary;
  for (const TuningRecord& record : records) {
    if (record.device.name != device) continue;
    ++summary.problems;
    summary.these_sources +=
        record.sources_digest == digests[static_cast<std::size_t>(record.winner.family)];
    summary.date = std::max(summary.date, record.date);
  }
  return summary;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return lower;
}

}  // namespace

std::vector<std::string> device_names(const std::vector<TuningRecord>& records) {
  std::set<std::string> names;
  for (const TuningRecord& record : records) names.insert(record.device.name);
  return {names.begin(), names.end()};
}

std::vector<TuningRecord> records_of_device(const std::vector<TuningRecord>& records,
                                            std::string_view text) {
  std::vector<TuningRecord> found;
  for (const TuningRecord& record : records)
    if (lower_case(record.device.name).find(lower_case(text)) != std::string::npos)
      found.push_back(record);
  if (found.empty() && !records.empty())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--device-name '{}': the records are of {}",
                            text,
                            fmt::join(device_names(records), ", ")));
  return found;
}

std::string shown_device(const std::vector<TuningRecord>& records,
                         const FamilyDigests& digests,
                         const std::vector<std::string>& here) {
  const std::vector<std::string> names = device_names(records);
  for (const std::string& name : here)
    if (std::find(names.begin(), names.end(), name) != names.end()) return name;
  const auto rank = [&](const std::string& name) {
    const DeviceSummary summary = summary_of(records, digests, name);
    return std::tuple(summary.these_sources, summary.date);
  };
  const auto best = std::max_element(
      names.begin(), names.end(), [&rank](const std::string& a, const std::string& b) {
        return rank(a) < rank(b);
      });
  return best == names.end() ? "" : *best;
}

Json devices_json(const std::vector<TuningRecord>& records, const FamilyDigests& digests) {
  Json devices = Json::array();
  for (const std::string& name : device_names(records)) {
    const DeviceSummary summary = summary_of(records, digests, name);
    devices.push_back({{"name", name},
                       {"problems", summary.problems},
                       {"these_sources", summary.these_sources},
                       {"date", summary.date}});
  }
  return devices;
}

std::vector<std::string> devices_here(const Settings& settings) {
  std::vector<std::string> names;
  try {
    const DriverLibrary driver(settings.libcuda);
    for (int ordinal = 0; ordinal < driver.device_count(); ++ordinal) {
      CUdevice device = 0;
      char name[256] = {};
      driver.check(driver.device_get(&device, ordinal));
      driver.check(driver.device_get_name(name, sizeof(name) - 1, device));
      names.emplace_back(name);
    }
  } catch (const Error&) {
    // No driver or no GPU: what is shown first is chosen by the records.
  }
  return names;
}

}  // namespace flashjit::cli
