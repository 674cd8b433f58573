#include "emulated_kernel.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "emu/device.h"
#include "kernel_src/variant_plan.h"
#include "runtime/variant_source.h"

namespace flashjit::emu {

EmulatedKernel::EmulatedKernel(const KernelConfig& config, std::span<const std::byte> code)
    : file_(memfd_create("flashjit-emu", MFD_CLOEXEC)) {
  if (!file_) throw_io("cannot create a file in memory", errno);
  for (std::size_t done = 0; done < code.size();) {
    const ssize_t n = write(file_.get(), code.data() + done, code.size() - done);
    if (n < 0 && errno != EINTR) throw_io("cannot write a file in memory", errno);
    if (n > 0) done += static_cast<std::size_t>(n);
  }
  const std::string path = fmt::format("/proc/self/fd/{}", file_.get());
  handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ == nullptr) {
    throw Error(ErrorCode::kData, fmt::format("cannot load the emulated variant: {}", dlerror()));
  }
  try {
    using Bind = void (*)(Device & (*)());
    reinterpret_cast<Bind>(find("flashjit_emu_bind"))(&current);
    for (const std::string& name : kernel_names(config)) {
      entries_.push_back(reinterpret_cast<Entry>(find(name.c_str())));
    }
  } catch (...) {
    dlclose(handle_);
    throw;
  }
  resources_.dynamic_smem_bytes = smem_bytes(config);
  resources_.threads = num_threads(config);
}

EmulatedKernel::~EmulatedKernel() { dlclose(handle_); }

void* EmulatedKernel::find(const char* symbol) const {
  void* const address = dlsym(handle_, symbol);
  if (address == nullptr) {
    throw Error(ErrorCode::kData, fmt::format("the emulated variant has no {}", symbol));
  }
  return address;
}

}  // namespace flashjit::emu
