// A logger that keeps what it is told.
#pragma once

#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <memory>
#include <sstream>
#include <string>

namespace flashjit::test {

// Lines of the level `warn` and above, "[warning] text".
struct CapturedLog {
  std::ostringstream text;
  std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>(
      "captured", std::make_shared<spdlog::sinks::ostream_sink_mt>(text, true));

  CapturedLog() {
    logger->set_pattern("[%l] %v");
    logger->set_level(spdlog::level::warn);
  }
  int lines() const {
    int count = 0;
    for (const char c : text.str()) count += c == '\n';
    return count;
  }
};

}  // namespace flashjit::test
