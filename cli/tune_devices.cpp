// The GPUs that `flashjit tune` measures on.
#include <fmt/format.h>

#include <future>

#include "cli/tune.h"
#include "cli/tune_worker.h"
#include "log.h"

namespace flashjit::cli {

// Of hundreds of candidates many compile with warnings; their times say enough. FLASHJIT_LOG=info
// shows them.
std::shared_ptr<spdlog::logger> tuning_logger(const Settings& settings) {
  auto logger = make_logger({}, settings);
  if (logger->level() == spdlog::level::warn) logger->set_level(spdlog::level::err);
  return logger;
}

std::vector<std::unique_ptr<TuningDevice>> open_tuning_devices(const TuneOptions& options,
                                                               const Settings& settings) {
  try {
    std::vector<int> ordinals = options.devices;
    if (ordinals.empty()) {
      const int count = DriverLibrary(settings.libcuda).device_count();
      for (int i = 0; i < count; ++i) ordinals.push_back(i);
    }
    // A context takes a fifth of a second.
    std::vector<std::future<std::unique_ptr<TuningDevice>>> opening;
    for (const int ordinal : ordinals) {
      opening.push_back(std::async(std::launch::async, [&, ordinal] {
        auto device = std::make_unique<CudaTuningDevice>(
            settings, ordinal, tuning_policy(), tuning_logger(settings));
        return options.isolate ? make_isolated_device(std::move(device), ordinal)
                               : std::unique_ptr<TuningDevice>(std::move(device));
      }));
    }
    std::vector<std::unique_ptr<TuningDevice>> devices;
    for (auto& device : opening) devices.push_back(device.get());
    return devices;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNoDriver) throw;
    throw Error(error.code(),
                fmt::format("tuning measures, so it needs a GPU and its driver: {}\nWithout one: "
                            "`flashjit tune --dry-run --arch sm_90a` prints what would be tried, "
                            "`flashjit build --workload FILE --arch sm_90a` compiles what a GPU of "
                            "that architecture will need, and `flashjit report --out FILE` draws "
                            "the records that there are",
                            error.what()));
  }
}

}  // namespace flashjit::cli
