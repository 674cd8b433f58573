// Which executor a backend gets. Backends outside of the library (the emulator's) register
// themselves when their library is loaded.
#pragma once

#include <functional>
#include <memory>

#include "executor.h"
#include "log.h"
#include "settings.h"

namespace flashjit {

using ExecutorFactory = std::function<std::unique_ptr<Executor>(
    const Options&, const Settings&, std::shared_ptr<spdlog::logger>)>;

// Thread-safe; the last registration of a backend counts.
FLASHJIT_API void register_executor_factory(Backend backend, ExecutorFactory factory);

// kCuda is known from the start. For kEmulated, libflashjit_emulator.so is opened if nothing is
// registered. Throws what the factory throws, Error(kNotSupported) when there is no factory.
std::unique_ptr<Executor> make_executor(Backend backend,
                                        const Options& options,
                                        const Settings& settings,
                                        const std::shared_ptr<spdlog::logger>& logger);

}  // namespace flashjit
