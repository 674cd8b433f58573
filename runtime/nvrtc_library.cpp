#include "nvrtc_library.h"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <cstring>

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

// The first bytes of the linker's build id in `info`'s note segment, in hex.
std::string gnu_build_id(const dl_phdr_info& info) {
  constexpr std::size_t kBytes = 6;
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info.dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    const auto* note = reinterpret_cast<const unsigned char*>(info.dlpi_addr + header.p_vaddr);
    for (std::size_t at = 0; at + sizeof(ElfW(Nhdr)) <= header.p_memsz;) {
      ElfW(Nhdr) head;
      std::memcpy(&head, note + at, sizeof head);
      const std::size_t name = at + sizeof head;
      const std::size_t description = name + ((head.n_namesz + 3) & ~std::size_t{3});
      if (head.n_type == NT_GNU_BUILD_ID && head.n_descsz >= kBytes) {
        const unsigned char* id = note + description;
        return fmt::format("{:02x}", fmt::join(id, id + kBytes, ""));
      }
      at = description + ((head.n_descsz + 3) & ~std::size_t{3});
    }
  }
  return "";
}

// nvrtcVersion() knows major and minor only, but two builds of one minor version may make different
// code, so the build belongs to the cache key. Its linker's build id is content, like a digest, and
// reading it costs nothing, where a compile whose PTX tells the build number costs 60 ms.
std::string build_id_of(const std::string& path) {
  struct Search {
    const std::string& path;
    std::string id;
  } search{path, ""};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& search = *static_cast<Search*>(data);
        if (search.path != info->dlpi_name) return 0;
        search.id = gnu_build_id(*info);
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
  build_ = fmt::format("{}.{}", major, minor);
  if (const std::string id = build_id_of(library_.path()); !id.empty()) build_ += "." + id;
}

}  // namespace flashjit
