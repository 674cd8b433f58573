#include "cli/doctor_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "bundle.h"
#include "cli/disassembler.h"
#include "posix_file.h"
#include "tuned_tilings.h"
#include "tuning_record_files.h"
#include "variant_name.h"

namespace flashjit::cli {
namespace {

namespace fs = std::filesystem;

Finding check_device() {
  try {
    const Runtime runtime({.backend = Backend::kCuda});
    const DeviceInfo& device = runtime.device();
    return {"GPU",
            State::kOk,
            fmt::format("{}, {}, {} SMs, {:.0f} GiB, driver for CUDA {}.{}",
                        device.name,
                        arch_name(device.arch),
                        device.sm_count,
                        static_cast<double>(device.total_memory) / (1u << 30),
                        device.driver_version / 1000,
                        device.driver_version % 1000 / 10),
            ""};
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNoDriver) {
      return {"GPU",
              State::kAbsent,
              error.what(),
              "without a GPU calls run on the CPU; else install NVIDIA's driver, or name "
              "libcuda.so.1 in "
              "FLASHJIT_LIBCUDA"};
    }
    return {"GPU",
            State::kWrong,
            error.what(),
            "check `nvidia-smi`; a container needs its GPU passed through"};
  }
}

Finding check_nvrtc(const Toolchain& toolchain) {
  if (const Compiler* compiler = toolchain.compiler()) {
    const std::vector<int>& archs = compiler->library().supported_archs();
    return {"NVRTC",
            State::kOk,
            fmt::format("{} (release {}.{}), {} … {}: {}",
                        compiler->build(),
                        compiler->library().version() / 1000,
                        compiler->library().version() % 1000 / 10,
                        archs.empty() ? 0 : archs.front(),
                        archs.empty() ? 0 : archs.back(),
                        compiler->library().path()),
            ""};
  }
  const bool offline = toolchain.settings().offline;
  return {"NVRTC",
          offline ? State::kAbsent : State::kWrong,
          toolchain.compiler_error(),
          offline
              ? "strict offline mode: not needed"
              : "only variants from bundles and the cache can run; install NVRTC (./dev setup, the "
                "PyPI package "
                "nvidia-cuda-nvrtc or a CUDA toolkit), or name the library in FLASHJIT_LIBNVRTC"};
}

// How many entries stand in the cache directory, and their bytes.
std::pair<int, std::uintmax_t> directory_content(const fs::path& directory) {
  std::pair<int, std::uintmax_t> content{0, 0};
  std::error_code ignored;
  for (fs::recursive_directory_iterator it(directory, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    if (!it->is_regular_file(ignored)) continue;
    ++content.first;
    content.second += it->file_size(ignored);
  }
  return content;
}

Finding check_cache(const Settings& settings) {
  if (!settings.cache_dir) {
    return {
        "cache", State::kAbsent, "memory only", "set FLASHJIT_CACHE_DIR to keep compiled variants"};
  }
  const fs::path& directory = *settings.cache_dir;
  const bool may_try = !settings.offline;  // offline nothing is written
  std::error_code error;
  if (!fs::exists(directory, error)) {
    const fs::path parent = nearest_existing(directory);
    if (fs::is_directory(parent, error) && access(parent.c_str(), W_OK | X_OK) == 0 &&
        (!may_try || can_make_a_directory_in(parent))) {
      return {"cache", State::kOk, directory.string() + ", made when first needed", ""};
    }
    return {"cache",
            State::kWrong,
            directory.string() + " does not exist and cannot be made in " + parent.string(),
            "variants are compiled anew in every process; set FLASHJIT_CACHE_DIR to a directory of "
            "yours"};
  }
  if (!fs::is_directory(directory, error) || access(directory.c_str(), R_OK | W_OK | X_OK) != 0 ||
      (may_try && !can_make_a_directory_in(directory))) {
    return {"cache",
            State::kWrong,
            directory.string() + " is no directory that can be read and written",
            "variants are compiled anew in every process; correct its mode and owner, or set "
            "FLASHJIT_CACHE_DIR"};
  }
  const auto [files, bytes] = directory_content(directory);
  return {"cache",
          State::kOk,
          fmt::format("{}, {} files, {:.1f} of {:.0f} MiB",
                      directory.string(),
                      files,
                      static_cast<double>(bytes) / (1 << 20),
                      static_cast<double>(settings.cache_max_bytes) / (1 << 20)),
          ""};
}

// By its manifest; `flashjit verify` reads the rest.
Finding check_bundle(const fs::path& directory) {
  try {
    const BundleManifest manifest = read_manifest(directory);
    return {"bundle",
            State::kOk,
            fmt::format("{}, {} entries for {}, for drivers from CUDA {}.{}",
                        directory.string(),
                        manifest.entries.size(),
                        fmt::join(manifest.archs, ", "),
                        manifest.minimum_driver / 1000,
                        manifest.minimum_driver % 1000 / 10),
            ""};
  } catch (const Error& error) {
    return {"bundle",
            State::kWrong,
            error.what(),
            "correct FLASHJIT_BUNDLES, or export the bundle again"};
  }
}

// Every warning of a look-up is a record that is missed.
Finding check_records(const Settings& settings) {
  constexpr std::size_t kKept = 100;
  const auto sink = std::make_shared<spdlog::sinks::ringbuffer_sink_st>(kKept);
  sink->set_pattern("%v");
  spdlog::logger logger("doctor", sink);
  logger.set_level(spdlog::level::warn);
  const std::size_t all = visible_records(settings, logger).all().size();
  const std::vector<std::string> missed = sink->last_formatted();
  const std::size_t shipped = embedded_records(logger, Evidence::kNone).size();
  if (missed.empty())
    return {"tuning records",
            State::kOk,
            fmt::format("{} in cache and bundles, {} shipped", all - shipped, shipped),
            ""};
  std::string first = missed.front();
  while (!first.empty() && first.back() == '\n') first.pop_back();
  const std::string more = missed.size() > 1 ? fmt::format("; {} more", missed.size() - 1) : "";
  return {"tuning records",
          State::kWrong,
          first + more,
          "remove the file, or write it anew by `flashjit tune`"};
}

Finding check_nvdisasm(const Settings& settings) {
  const fs::path program = find_nvdisasm(settings);
  if (!program.empty() && access(program.c_str(), X_OK) == 0)
    return {"nvdisasm", State::kOk, program.string(), ""};
  return {"nvdisasm",
          settings.nvdisasm.empty() ? State::kAbsent : State::kWrong,
          program.empty() ? "not found" : program.string() + " cannot be run",
          "only `inspect --sass` and `report` need it: install nvidia-cuda-nvdisasm or a CUDA "
          "toolkit, or set "
          "FLASHJIT_NVDISASM"};
}

Finding check_host_compiler(const Settings& settings) {
  std::vector<std::string> names{"g++", "clang++", "c++"};
  if (!settings.host_compiler.empty()) names = {settings.host_compiler};
  for (const std::string& name : names) {
    const fs::path program =
        name.find('/') == std::string::npos ? find_program(name) : fs::path(name);
    if (!program.empty() && access(program.c_str(), X_OK) == 0) {
      return {"host compiler", State::kOk, program.string(), ""};
    }
  }
  return {"host compiler",
          settings.host_compiler.empty() ? State::kAbsent : State::kWrong,
          fmt::format("{} not found", fmt::join(names, ", ")),
          "only the emulated backend needs it: install g++ or set FLASHJIT_HOST_CXX"};
}

Finding check_cpu(const Settings& settings) {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  const unsigned threads =
      settings.cpu_threads > 0 ? static_cast<unsigned>(settings.cpu_threads) : cores;
  return {"CPU backend", State::kOk, fmt::format("{} threads on {} cores", threads, cores), ""};
}

}  // namespace

std::vector<Finding> check_machine(const Toolchain& toolchain) {
  const Settings& settings = toolchain.settings();
  std::vector<Finding> findings = {check_device(), check_nvrtc(toolchain)};
  for (const fs::path& bundle : settings.bundles) findings.push_back(check_bundle(bundle));
  findings.insert(findings.end(),
                  {check_cache(settings),
                   check_records(settings),
                   check_cpu(settings),
                   check_host_compiler(settings),
                   check_nvdisasm(settings)});
  return findings;
}

}  // namespace flashjit::cli
