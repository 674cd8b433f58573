// libnvrtc, opened at run time: the entry points that the compiler uses.
#pragma once

#include <nvrtc.h>

#include <optional>
#include <string>
#include <vector>

#include "shared_library.h"

namespace flashjit {

// Immutable after construction; NVRTC itself is thread-safe.
class NvrtcLibrary {
 public:
  // `path` is Settings::libnvrtc; empty searches libnvrtc.so.13, libnvrtc.so.12 and the usual
  // toolkit directory. Throws Error(kNoCompiler) that says what to install.
  explicit NvrtcLibrary(const std::string& path);

  // "13 65be0db342ad": the major version and the first digits of the library's build id, because
  // two builds of one version may make different code; "13.0" of a library that has no build id.
  const std::string& build() const { return build_; }
  int version() const { return version_; }  // 1000 · major + 10 · minor
  std::string path() const { return library_.path(); }

  // Compute capabilities that it compiles for, as 10 · major + minor.
  const std::vector<int>& supported_archs() const { return supported_archs_; }

  decltype(nvrtcCreateProgram)* create_program;
  decltype(nvrtcDestroyProgram)* destroy_program;
  decltype(nvrtcCompileProgram)* compile_program;
  decltype(nvrtcGetProgramLogSize)* get_program_log_size;
  decltype(nvrtcGetProgramLog)* get_program_log;
  decltype(nvrtcGetCUBINSize)* get_cubin_size;
  decltype(nvrtcGetCUBIN)* get_cubin;
  decltype(nvrtcGetPTXSize)* get_ptx_size;
  decltype(nvrtcGetPTX)* get_ptx;
  decltype(nvrtcGetErrorString)* get_error_string;

 private:
  SharedLibrary library_;
  std::string build_;
  int version_ = 0;
  std::vector<int> supported_archs_;
};

// What NvrtcLibrary(path) will be, told without opening it: that costs 6 to 10 ms (200,000
// relocations), and a program whose variants are in the cache never compiles.
struct NvrtcFile {
  std::string path;
  std::string build;  // as NvrtcLibrary::build()
};

// nullopt when only opening tells: for a bare name, which the loader searches, for a library
// without a build id, and for a file that is no NVRTC, where opening tells why.
std::optional<NvrtcFile> find_nvrtc_file(const std::string& path);

}  // namespace flashjit
