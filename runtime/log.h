// The library's logger: named "flashjit", on stderr, quiet by default, replaceable per Runtime;
// never the program's default and never in spdlog's registry.
#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "settings.h"

namespace flashjit {

// The program's own logger if Options has one (its level and sinks stay the program's business),
// else a new one of Settings::log_level.
std::shared_ptr<spdlog::logger> make_logger(const Options& options, const Settings& settings);

}  // namespace flashjit
