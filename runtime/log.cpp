#include "log.h"

#include <spdlog/sinks/stdout_sinks.h>

namespace flashjit {

std::shared_ptr<spdlog::logger> make_logger(const Options& options, const Settings& settings) {
  if (options.logger) return options.logger;
  auto logger = std::make_shared<spdlog::logger>("flashjit",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("[%n] [%l] %v");
  logger->set_level(spdlog::level::from_str(settings.log_level));
  logger->flush_on(spdlog::level::warn);
  return logger;
}

}  // namespace flashjit
