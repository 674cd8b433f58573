#include "cli/bundle_load.h"

#include <optional>

#include "cache_directory.h"
#include "cache_entry.h"
#include "cubin_compatibility.h"
#include "cuda_executor.h"
#include "posix_file.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

// Why the entry does not load, or "". Whether it is intact was checked before.
std::string try_load(const std::filesystem::path& file,
                     const BundleEntry& row,
                     const Arch& arch,
                     const CudaExecutor& executor) {
  const DeviceInfo& device = executor.device();
  std::string why = why_not_loadable(arch, row.compiler_build, device.arch, device.driver_version);
  if (!why.empty()) return why;
  const std::optional<KernelConfig> config = parse_variant_name(row.variant, arch);
  if (!config) return "'" + row.variant + "' is no variant that this version knows";
  try {
    std::string why_bad;
    const auto entry = decode_entry(read_file(file, kMaxEntryBytes), why_bad);
    if (!entry) return why_bad;
    executor.load(*config, entry->binary.code);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

BundleLoad load_bundle(const std::filesystem::path& bundle,
                       const BundleManifest& manifest,
                       const Settings& settings,
                       int device) {
  Settings without_compiler = settings;
  without_compiler.offline = true;
  const CudaExecutor executor(without_compiler, device);
  BundleLoad result;
  result.device = executor.device().name;
  for (const BundleEntry& row : manifest.entries) {
    const std::optional<Arch> arch = parse_arch(row.arch);
    if (arch && !can_run(*arch, executor.device().arch)) {
      ++result.other_devices;
      continue;
    }
    const std::string why = arch ? try_load(bundle / row.file.path, row, *arch, executor)
                                 : "'" + row.arch + "' is no architecture";
    if (why.empty()) {
      ++result.loaded;
    } else {
      result.findings.push_back(row.file.path + ": " + why);
    }
  }
  return result;
}

}  // namespace flashjit::cli
