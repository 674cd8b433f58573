#include "shared_library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>

#include <utility>

namespace flashjit {

SharedLibrary::SharedLibrary(const std::vector<std::string>& candidates,
                             ErrorCode code,
                             const std::string& advice)
    : code_(code) {
  std::string reasons;
  for (const std::string& candidate : candidates) {
    // Never unloaded: a driver has threads of its own, and tools hook it; run before the process
    // ends, the finalisers of such a library can wait for ever for a thread that waits for dlclose.
    handle_ = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle_ != nullptr) {
      name_ = candidate;
      return;
    }
    const char* reason = dlerror();
    reasons += fmt::format("\n  {}", reason != nullptr ? reason : candidate);
  }
  throw Error(code, fmt::format("{} Tried:{}", advice, reasons));
}

SharedLibrary::~SharedLibrary() {
  if (handle_ != nullptr) dlclose(handle_);
}

SharedLibrary::SharedLibrary(SharedLibrary&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      name_(std::move(other.name_)),
      code_(other.code_) {}

SharedLibrary& SharedLibrary::operator=(SharedLibrary&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(name_, other.name_);
  std::swap(code_, other.code_);
  return *this;
}

std::string SharedLibrary::path() const {
  link_map* map = nullptr;
  if (dlinfo(handle_, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return name_;
  return map->l_name;
}

void* SharedLibrary::find(const char* symbol) const { return dlsym(handle_, symbol); }

void* SharedLibrary::require(const char* symbol) const {
  void* address = find(symbol);
  if (address == nullptr) {
    throw Error(code_, fmt::format("{} is too old: it has no {}.", path(), symbol));
  }
  return address;
}

}  // namespace flashjit
