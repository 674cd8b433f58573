#include "executor_factory.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "cuda_executor.h"
#include "shared_library.h"

namespace flashjit {
namespace {

std::mutex& factories_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::unique_ptr<Executor> make_cuda_executor(const Options& options,
                                             const Settings& settings,
                                             const std::shared_ptr<spdlog::logger>&) {
  return std::make_unique<CudaExecutor>(settings, options.device);
}

// Function-local, because the emulator's library may register during static initialisation.
std::map<Backend, ExecutorFactory>& factories() {
  static std::map<Backend, ExecutorFactory> map = {{Backend::kCuda, make_cuda_executor}};
  return map;
}

ExecutorFactory find_factory(Backend backend) {
  const std::lock_guard lock(factories_mutex());
  const auto it = factories().find(backend);
  return it == factories().end() ? nullptr : it->second;
}

// Beside the library that this text is in, else wherever the loader looks. Never closed: its code
// stays registered.
void open_emulator() {
  std::vector<std::string> candidates = {"libflashjit_emulator.so"};
  Dl_info self = {};
  if (dladdr(reinterpret_cast<void*>(&open_emulator), &self) != 0 && self.dli_fname != nullptr) {
    const std::string path = self.dli_fname;
    if (const auto slash = path.rfind('/'); slash != std::string::npos)
      candidates.insert(candidates.begin(), path.substr(0, slash + 1) + candidates[0]);
  }
  static const SharedLibrary kLibrary(
      candidates,
      ErrorCode::kNotSupported,
      "The emulated backend is a library of its own; build it with FLASHJIT_BUILD_EMULATOR=ON and "
      "put it beside libflashjit.so.");
}

}  // namespace

void register_executor_factory(Backend backend, ExecutorFactory factory) {
  const std::lock_guard lock(factories_mutex());
  factories()[backend] = std::move(factory);
}

std::unique_ptr<Executor> make_executor(Backend backend,
                                        const Options& options,
                                        const Settings& settings,
                                        const std::shared_ptr<spdlog::logger>& logger) {
  ExecutorFactory factory = find_factory(backend);
  if (!factory && backend == Backend::kEmulated) {
    open_emulator();
    factory = find_factory(backend);
  }
  if (!factory)
    throw Error(ErrorCode::kNotSupported, "no executor is registered for the requested backend");
  return factory(options, settings, logger);
}

}  // namespace flashjit
