// `flashjit verify --load`: hands every entry of a bundle that is for this device to its driver.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bundle_manifest.h"
#include "settings.h"

namespace flashjit::cli {

struct BundleLoad {
  std::string device;
  std::size_t loaded = 0, other_devices = 0;  // other_devices: cubins that do not run on this one
  std::vector<std::string> findings;          // "entries/<key>.fjc: why", each
};

// Throws Error(kNoDriver) and what else opening the device throws.
BundleLoad load_bundle(const std::filesystem::path& bundle,
                       const BundleManifest& manifest,
                       const Settings& settings,
                       int device);

}  // namespace flashjit::cli
