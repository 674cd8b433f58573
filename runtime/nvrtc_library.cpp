#include "nvrtc_library.h"

#include <fmt/format.h>
#include <link.h>

#include <cstdlib>

#include "elf_identity.h"

namespace flashjit {
namespace {

constexpr const char* kAdvice =
    "NVRTC cannot be opened. Install it (package cuda-nvrtc-13-0 of the CUDA repository, or the "
    "PyPI wheel nvidia-cuda-nvrtc) or set FLASHJIT_LIBNVRTC to the path of libnvrtc.so.";

std::vector<std::string> candidates(const std::string& path) {
  if (!path.empty()) return {path};
  return {"libnvrtc.so.13",
          "libnvrtc.so.12",
          "/usr/local/cuda/lib64/libnvrtc.so.13",
          "/usr/local/cuda/lib64/libnvrtc.so.12"};
}

// The build id of a library that is open: of the bytes that run, whatever its file is by now.
std::string build_id_of(const std::string& path) {
  struct Search {
    const std::string& path;
    std::string id;
  } search{path, ""};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& search = *static_cast<Search*>(data);
        if (search.path != info->dlpi_name) return 0;
        for (int i = 0; i < info->dlpi_phnum && search.id.empty(); ++i) {
          const ElfW(Phdr)& header = info->dlpi_phdr[i];
          if (header.p_type != PT_NOTE) continue;
          const auto* notes = reinterpret_cast<const std::byte*>(info->dlpi_addr + header.p_vaddr);
          search.id = find_build_id({notes, header.p_memsz});
        }
        return 1;
      },
      &search);
  return search.id;
}

}  // namespace

NvrtcLibrary::NvrtcLibrary(const std::string& path)
    : library_(candidates(path), ErrorCode::kNoCompiler, kAdvice) {
  library_.load("nvrtcCreateProgram", create_program);
  library_.load("nvrtcDestroyProgram", destroy_program);
  library_.load("nvrtcCompileProgram", compile_program);
  library_.load("nvrtcGetProgramLogSize", get_program_log_size);
  library_.load("nvrtcGetProgramLog", get_program_log);
  library_.load("nvrtcGetCUBINSize", get_cubin_size);
  library_.load("nvrtcGetCUBIN", get_cubin);
  library_.load("nvrtcGetPTXSize", get_ptx_size);
  library_.load("nvrtcGetPTX", get_ptx);
  library_.load("nvrtcGetErrorString", get_error_string);

  decltype(nvrtcVersion)* version = nullptr;
  decltype(nvrtcGetNumSupportedArchs)* get_num_archs = nullptr;
  decltype(nvrtcGetSupportedArchs)* get_archs = nullptr;
  library_.load("nvrtcVersion", version);
  library_.load("nvrtcGetNumSupportedArchs", get_num_archs);
  library_.load("nvrtcGetSupportedArchs", get_archs);

  int major = 0, minor = 0, num_archs = 0;
  if (version(&major, &minor) != NVRTC_SUCCESS || get_num_archs(&num_archs) != NVRTC_SUCCESS) {
    throw Error(ErrorCode::kNoCompiler, fmt::format("{} does not answer.", library_.path()));
  }
  version_ = 1000 * major + 10 * minor;
  supported_archs_.resize(static_cast<std::size_t>(num_archs));
  if (num_archs > 0 && get_archs(supported_archs_.data()) != NVRTC_SUCCESS)
    supported_archs_.clear();
  const std::string id = build_id_of(library_.path());
  build_ = id.empty() ? fmt::format("{}.{}", major, minor) : fmt::format("{} {}", major, id);
}

std::optional<NvrtcFile> find_nvrtc_file(const std::string& path) {
  constexpr std::string_view kName = "libnvrtc.so.";
  // Only the loader knows what a bare name will open.
  if (path.find('/') == std::string::npos) return std::nullopt;
  const std::optional<ElfIdentity> identity = read_elf_identity(path);
  if (!identity || !identity->soname.starts_with(kName)) return std::nullopt;
  const int major = std::atoi(identity->soname.c_str() + kName.size());
  return NvrtcFile{path, fmt::format("{} {}", major, identity->build_id)};
}

}  // namespace flashjit
