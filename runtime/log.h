// The library's logger: named "flashjit", quiet by default, replaceable per Runtime; never the
// program's default.
#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "settings.h"

namespace flashjit {

std::shared_ptr<spdlog::logger> make_logger(const Options& options, const Settings& settings);

}  // namespace flashjit
