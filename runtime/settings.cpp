#include "settings.h"

#include <stdlib.h>
#include <unistd.h>

#include <charconv>
#include <limits>
#include <sstream>

#include "sha256.h"

namespace flashjit {
namespace {

namespace fs = std::filesystem;

// secure_getenv: a set-uid program must not open libraries or directories that its caller chose.
std::string environment(const char* name) {
  const char* value = secure_getenv(name);
  return value ? value : "";
}

// Independent of later changes of the working directory. Without a working directory: as given.
fs::path absolute_path(const fs::path& path) {
  std::error_code error;
  const fs::path result = fs::absolute(path, error);
  return error ? path : result;
}

[[noreturn]] void fail(std::string_view variable, std::string_view value, std::string_view want) {
  std::ostringstream message;
  message << "environment variable " << variable << "='" << value << "': expected " << want;
  throw Error(ErrorCode::kInvalidArgument, message.str());
}

bool parse_bool(std::string_view variable, const std::string& value) {
  if (value == "1" || value == "true" || value == "on") return true;
  if (value == "0" || value == "false" || value == "off") return false;
  fail(variable, value, "1 or 0");
}

// The number in front of `suffix`, all of the text.
template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::uint64_t parse_bytes(std::string_view variable, const std::string& value) {
  std::string_view digits = value;
  int shift = 0;
  const std::size_t unit = std::string_view("KMGT").find(digits.back());
  if (unit != std::string_view::npos) {
    shift = 10 * (static_cast<int>(unit) + 1);
    digits.remove_suffix(1);
  }
  const auto number = parse_number<std::uint64_t>(digits);
  if (!number || *number == 0 || *number > std::numeric_limits<std::uint64_t>::max() >> shift) {
    fail(variable,
         value,
         "a positive number of bytes, with K, M, G or T for powers of 1024 (to use no directory, "
         "set FLASHJIT_CACHE_DIR=off)");
  }
  return *number << shift;
}

constexpr double kMaxSeconds = 86'400;

double parse_seconds(std::string_view variable, const std::string& value) {
  const auto seconds = parse_number<double>(value);
  if (!seconds || !(*seconds >= 0 && *seconds <= kMaxSeconds)) {
    fail(variable, value, "seconds from 0 to 86400");
  }
  return *seconds;
}

TuneMode parse_tune_mode(std::string_view variable, const std::string& value) {
  if (value == "off") return TuneMode::kOff;
  if (value == "record") return TuneMode::kRecord;
  if (value == "on_first_use") return TuneMode::kOnFirstUse;
  fail(variable, value, "off, record or on_first_use");
}

int parse_count(std::string_view variable, const std::string& value) {
  const auto count = parse_number<int>(value);
  if (!count || *count < 0 || *count > 4096) fail(variable, value, "a count from 0 to 4096");
  return *count;
}

std::vector<fs::path> parse_paths(const std::string& value) {
  std::vector<fs::path> paths;
  std::istringstream list(value);
  for (std::string path; std::getline(list, path, ':');) {
    if (!path.empty()) paths.push_back(absolute_path(path));
  }
  return paths;
}

std::string parse_level(std::string_view variable, const std::string& value) {
  for (const char* level : {"trace", "debug", "info", "warn", "error", "off"}) {
    if (value == level) return value;
  }
  fail(variable, value, "trace, debug, info, warn, error or off");
}

// One row is one variable: its meaning and what it does to the settings.
struct Variable {
  const char* name;
  const char* meaning;
  void (*apply)(Settings&, std::string_view name, const std::string& value);
};

using Name = std::string_view;
using Value = const std::string&;

// Later rows win: FLASHJIT_CACHE_DIR over XDG_CACHE_HOME over HOME.
constexpr Variable kVariables[] = {
    {"HOME",
     "cache in $HOME/.cache/flashjit",
     [](Settings& s, Name, Value v) {
       if (fs::path(v).is_absolute()) s.cache_dir = fs::path(v) / ".cache" / "flashjit";
     }},
    {"XDG_CACHE_HOME",
     "cache in $XDG_CACHE_HOME/flashjit",
     // The XDG specification: a relative path is invalid and to be ignored.
     [](Settings& s, Name, Value v) {
       if (fs::path(v).is_absolute()) s.cache_dir = fs::path(v) / "flashjit";
     }},
    {"FLASHJIT_CACHE_DIR",
     "cache directory; 'off': memory only",
     [](Settings& s, Name, Value v) {
       s.cache_dir.reset();
       if (v != "off") s.cache_dir = absolute_path(v);
     }},
    {"FLASHJIT_CACHE_GROUP",
     "1: share the cache directory with its group",
     [](Settings& s, Name n, Value v) { s.cache_group_shared = parse_bool(n, v); }},
    {"FLASHJIT_CACHE_MAX_BYTES",
     "size bound of the cache directory (default 1G); least recently used entries leave",
     [](Settings& s, Name n, Value v) { s.cache_max_bytes = parse_bytes(n, v); }},
    {"FLASHJIT_CACHE_LOCK_TIMEOUT",
     "seconds to wait for another process that compiles the same variant (default 30); 0: no locks",
     [](Settings& s, Name n, Value v) {
       s.cache_lock_timeout =
           std::chrono::milliseconds(static_cast<std::int64_t>(parse_seconds(n, v) * 1000));
     }},
    {"FLASHJIT_BUNDLES",
     "bundle directories, separated by ':', searched before the cache",
     [](Settings& s, Name, Value v) { s.bundles = parse_paths(v); }},
    {"FLASHJIT_OFFLINE",
     "1: a variant that is in no bundle and not in the cache is an error; nothing is written",
     [](Settings& s, Name n, Value v) { s.offline = parse_bool(n, v); }},
    {"FLASHJIT_TUNE",
     "record (default): tilings from tuning records; off: heuristics only; on_first_use: measure",
     [](Settings& s, Name n, Value v) { s.tune = parse_tune_mode(n, v); }},
    {"FLASHJIT_TUNE_SECONDS",
     "what on_first_use may spend on one problem (default 10)",
     [](Settings& s, Name n, Value v) { s.tune_seconds = parse_seconds(n, v); }},
    {"FLASHJIT_RECORD",
     "workload file to which each distinct problem is appended",
     [](Settings& s, Name, Value v) { s.record_file = absolute_path(v); }},
    {"FLASHJIT_KERNEL_DIR",
     "edited kernel sources instead of the embedded ones",
     [](Settings& s, Name, Value v) { s.kernel_dir = absolute_path(v); }},
    {"FLASHJIT_LIBCUDA",
     "driver library (default libcuda.so.1)",
     [](Settings& s, Name, Value v) { s.libcuda = v; }},
    {"FLASHJIT_LIBNVRTC",
     "NVRTC library (default libnvrtc.so.13, then .12: from LD_LIBRARY_PATH, CUDA_HOME, "
     "/usr/local/cuda, then the loader's directories)",
     [](Settings& s, Name, Value v) { s.libnvrtc = v; }},
    {"FLASHJIT_NVDISASM",
     "nvdisasm program (default: from PATH, CUDA_HOME, /usr/local/cuda)",
     [](Settings& s, Name, Value v) { s.nvdisasm = v; }},
    {"FLASHJIT_LOG",
     "trace, debug, info, warn (default), error or off",
     [](Settings& s, Name n, Value v) { s.log_level = parse_level(n, v); }},
    {"FLASHJIT_CPU_THREADS",
     "threads of the CPU backend; 0 (default): one per core",
     [](Settings& s, Name n, Value v) { s.cpu_threads = parse_count(n, v); }},
    {"FLASHJIT_HOST_CXX",
     "C++ compiler of the emulated backend",
     [](Settings& s, Name, Value v) { s.host_compiler = v; }},
};

// Those of a path variable, then `folder` of the CUDA toolkits.
std::vector<fs::path> toolkit_directories(const char* variable, const char* folder) {
  std::vector<fs::path> directories = parse_paths(environment(variable));
  for (const char* toolkit : {"CUDA_HOME", "CUDA_PATH"}) {
    const std::string home = environment(toolkit);
    if (!home.empty()) directories.push_back(fs::path(home) / folder);
  }
  directories.push_back(fs::path("/usr/local/cuda") / folder);
  return directories;
}

// The first file of that name that can be accessed so; empty if there is none.
fs::path find_file(const std::vector<fs::path>& directories, std::string_view name, int mode) {
  for (const fs::path& directory : directories) {
    fs::path file = directory / name;
    std::error_code ignored;
    if (fs::is_regular_file(file, ignored) && access(file.c_str(), mode) == 0) return file;
  }
  return {};
}

}  // namespace

Settings read_settings() {
  Settings settings;
  for (const Variable& variable : kVariables) {
    const std::string value = environment(variable.name);
    if (!value.empty()) variable.apply(settings, variable.name, value);
  }
  settings.cache_dir_missing = !settings.cache_dir && environment("FLASHJIT_CACHE_DIR").empty();
  // A path tells the compiler's build without opening 100 MB of it, as a bare name does not.
  for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12"}) {
    if (settings.libnvrtc.empty()) settings.libnvrtc = find_library(name);
  }
  return settings;
}

Settings effective_settings(const Options& options) {
  Settings settings = read_settings();
  if (options.cache_dir) {
    settings.cache_dir.reset();
    settings.cache_dir_missing = false;
    if (!options.cache_dir->empty()) settings.cache_dir = absolute_path(*options.cache_dir);
  }
  if (options.kernel_dir) settings.kernel_dir = *options.kernel_dir;
  if (options.bundles) {
    settings.bundles.clear();
    for (const fs::path& bundle : *options.bundles)
      settings.bundles.push_back(absolute_path(bundle));
  }
  if (options.bundle_digest) {
    settings.bundle_digest = *options.bundle_digest;
    if (!is_sha256_hex(settings.bundle_digest) || settings.bundles.size() != 1) {
      throw Error(ErrorCode::kInvalidArgument,
                  "Options::bundle_digest is the 64 lower-case hexadecimal digits of one bundle's "
                  "manifest, and there must be exactly one bundle");
    }
  }
  if (options.offline) settings.offline = *options.offline;
  if (options.tune) settings.tune = *options.tune;
  if (options.tune_seconds) {
    if (!(*options.tune_seconds >= 0 && *options.tune_seconds <= kMaxSeconds))
      throw Error(ErrorCode::kInvalidArgument, "Options::tune_seconds is not in 0 … 86400");
    settings.tune_seconds = *options.tune_seconds;
  }
  return settings;
}

std::vector<SettingRow> describe_settings() {
  std::vector<SettingRow> rows;
  for (const Variable& variable : kVariables) {
    rows.push_back({variable.name, variable.meaning, environment(variable.name)});
  }
  return rows;
}

fs::path find_program(std::string_view name) {
  return find_file(toolkit_directories("PATH", "bin"), name, X_OK);
}

fs::path find_library(std::string_view name) {
  return find_file(toolkit_directories("LD_LIBRARY_PATH", "lib64"), name, R_OK);
}

}  // namespace flashjit
