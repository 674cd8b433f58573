#include "runtime/log.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "support/captured_log.h"
#include "support/catch.h"
#include "support/child_process.h"

using namespace flashjit;

TEST_CASE("the program's own logger is used as it is") {
  test::CapturedLog log;
  log.logger->set_level(spdlog::level::info);
  Options options;
  options.logger = log.logger;
  Settings settings;
  settings.log_level = "off";
  const auto logger = make_logger(options, settings);
  CHECK(logger == log.logger);
  logger->info("heard");
  CHECK(log.text.str() == "[info] heard\n");
}

TEST_CASE("the default logger stays out of spdlog's registry and is quiet") {
  const auto before = spdlog::default_logger();
  const auto logger = make_logger({}, {});
  CHECK(spdlog::default_logger() == before);
  CHECK(spdlog::get("flashjit") == nullptr);
  CHECK(logger->name() == "flashjit");
  CHECK_FALSE(logger->should_log(spdlog::level::info));
  CHECK(logger->should_log(spdlog::level::warn));
}

TEST_CASE("the level comes from the settings, the lines go to stderr") {
  int pipe_fds[2];
  REQUIRE(::pipe(pipe_fds) == 0);
  const int status = test::run_child([&] {
    ::dup2(pipe_fds[1], STDERR_FILENO);
    Settings settings;
    settings.log_level = "info";
    const auto logger = make_logger({}, settings);
    logger->debug("not this");
    logger->info("this");
    logger->flush();
    return 0;
  });
  CHECK(status == 0);
  char buffer[256];
  const ssize_t size = ::read(pipe_fds[0], buffer, sizeof(buffer));
  REQUIRE(size > 0);
  CHECK(std::string(buffer, static_cast<std::size_t>(size)) == "[flashjit] [info] this\n");
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
}
