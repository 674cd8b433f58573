#include "isolated_target.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "flashjit/error.h"

extern char** environ;

namespace flashjit {
namespace {

using Json = nlohmann::json;

// Requests: {"verify": tiling}, {"time": [tiling, …], "rounds": n}.
// Answers: {"error": text}, {"timings": […], "sm_clock_mhz": x}, {"lost": text}.
Json tiling_json(const Tiling& tiling) { return Json::parse(to_json(tiling)); }
Tiling tiling_from(const Json& json) { return parse_tiling(json.dump()); }

constexpr int kPatienceMs = 60'000;

// A reader that is gone is an error, not a signal that ends this program.
void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw_io("cannot write to the other process", errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

enum class ReadResult { kLine, kEnd, kSilence };

// The next line of `fd`, without its end; what follows stays in `buffer`. kSilence: nothing came
// for `patience_ms` (−1: wait without end).
ReadResult read_line(int fd, int patience_ms, std::string& buffer, std::string& line) {
  std::size_t end;
  while ((end = buffer.find('\n')) == std::string::npos) {
    pollfd ready = {fd, POLLIN, 0};
    const int polled = ::poll(&ready, 1, patience_ms);
    if (polled < 0 && errno == EINTR) continue;
    if (polled <= 0) return polled == 0 ? ReadResult::kSilence : ReadResult::kEnd;
    char chunk[4096];
    const ssize_t count = ::read(fd, chunk, sizeof chunk);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return ReadResult::kEnd;
    buffer.append(chunk, static_cast<std::size_t>(count));
  }
  line = buffer.substr(0, end);
  buffer.erase(0, end + 1);
  return ReadResult::kLine;
}

Json answer(TuningTarget& target, const Json& request) {
  if (request.contains("verify"))
    return {{"error", target.verify(tiling_from(request.at("verify")))}};
  std::vector<Tiling> tilings;
  for (const Json& tiling : request.at("time")) tilings.push_back(tiling_from(tiling));
  Json timings = Json::array();
  for (const Timing& t : target.time(tilings, request.at("rounds").get<int>()))
    timings.push_back({t.median_us, t.spread_us, t.ratio, t.rounds, t.error});
  return {{"timings", timings}, {"sm_clock_mhz", target.sm_clock_mhz()}};
}

}  // namespace

WorkerProcess::WorkerProcess(WorkerProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      silent_(other.silent_),
      socket_(std::move(other.socket_)),
      buffer_(std::move(other.buffer_)) {}

WorkerProcess::~WorkerProcess() { end(); }

void WorkerProcess::send(const std::string& line) { write_all(socket_.get(), line + "\n"); }

std::string WorkerProcess::receive() {
  std::string line;
  const ReadResult result = read_line(socket_.get(), kPatienceMs, buffer_, line);
  silent_ = result == ReadResult::kSilence;
  if (result != ReadResult::kLine) throw Error(ErrorCode::kIo, "the worker ended");
  return line;
}

std::string WorkerProcess::end() {
  if (pid_ <= 0) return "";
  // What has ended is not changed by a signal: it waits to be asked how.
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  if (!WIFSIGNALED(status)) return fmt::format("exit code {}", WEXITSTATUS(status));
  return fmt::format("signal {}{}", WTERMSIG(status), silent_ ? ", after a minute of silence" : "");
}

WorkerProcess start_worker(const std::vector<std::string>& command) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw_io("cannot make a socket", errno);
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  // In a group of its own: Ctrl-C is this process's to handle, and no candidate's failure.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw_io("cannot start " + command.at(0), error);
  return {pid, std::move(ours)};
}

IsolatedTarget::IsolatedTarget(std::function<std::string(const Tiling&)> compile,
                               std::function<WorkerProcess()> start,
                               const Tiling& reference)
    : compile_(std::move(compile)), start_(std::move(start)), reference_(reference) {}

// Throws Error(kDriver) when this request ended the worker.
std::string IsolatedTarget::ask(const std::string& request) {
  try {
    worker_->send(request);
    std::string line = worker_->receive();
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) refuse_answer();
    const auto lost = json.find("lost");
    if (lost == json.end()) return line;
    if (!lost->is_string()) refuse_answer();
    worker_.reset();
    throw Error(ErrorCode::kDriver, lost->get<std::string>());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kIo) throw;
    const std::string end = worker_->end();
    worker_.reset();
    throw Error(ErrorCode::kDriver, "its process ended: " + end);
  }
}

// What a worker says is trusted no more than the candidate that it ran.
void IsolatedTarget::refuse_answer() {
  worker_.reset();
  throw Error(ErrorCode::kDriver, "its process answers nonsense");
}

std::string IsolatedTarget::verify_in_worker(const Tiling& tiling) {
  const Json reply = Json::parse(ask(Json{{"verify", tiling_json(tiling)}}.dump()));
  const auto error = reply.find("error");
  if (error == reply.end() || !error->is_string()) refuse_answer();
  return *error;
}

// Throws Error when there is none: not a candidate's fault, for without the reference nothing can
// be tuned here.
void IsolatedTarget::require_worker() {
  if (worker_) return;
  worker_.emplace(start_());
  ++workers_started_;
  const std::string error = verify_in_worker(reference_);
  if (error.empty()) return;
  worker_.reset();  // or the next candidate would be what others are compared with
  throw Error(ErrorCode::kNotSupported, "the default tiling fails in a new process: " + error);
}

std::string IsolatedTarget::verify(const Tiling& tiling) {
  require_worker();
  try {
    return verify_in_worker(tiling);
  } catch (const Error& error) {
    require_worker();  // at once, or the next candidate would be blamed for a device that is gone
    return error.what();
  }
}

std::vector<Timing> IsolatedTarget::time_in_worker(std::span<const Tiling> tilings, int rounds) {
  Json request = {{"time", Json::array()}, {"rounds", rounds}};
  for (const Tiling& tiling : tilings) {
    // In a new worker nothing has been compiled and loaded, or compared, yet.
    if (const std::string error = verify(tiling); !error.empty())
      throw Error(ErrorCode::kDriver, error);
    request["time"].push_back(tiling_json(tiling));
  }
  const Json reply = Json::parse(ask(request.dump()));
  try {
    std::vector<Timing> timings;
    for (const Json& t : reply.at("timings"))
      timings.push_back({t.at(0), t.at(1), t.at(2), t.at(3), t.at(4)});
    sm_clock_mhz_ = reply.at("sm_clock_mhz");
    if (timings.size() == tilings.size()) return timings;
  } catch (const Json::exception&) {
  }
  refuse_answer();
}

// After a crash among them: each beside the first, so that the guilty one is known.
std::vector<Timing> IsolatedTarget::time_one_by_one(std::span<const Tiling> tilings, int rounds) {
  std::vector<Timing> timings = time_in_worker(tilings.first(1), rounds);
  for (const Tiling& tiling : tilings.subspan(1)) {
    try {
      const std::vector<Tiling> pair = {tilings.front(), tiling};
      timings.push_back(time_in_worker(pair, rounds).back());
    } catch (const Error& error) {
      require_worker();  // where the device is gone it is nobody's row
      timings.push_back({0, 0, 1, 0, error.what()});
    }
  }
  return timings;
}

std::vector<Timing> IsolatedTarget::time(std::span<const Tiling> tilings, int rounds) {
  try {
    return time_in_worker(tilings, rounds);
  } catch (const Error&) {
    return time_one_by_one(tilings, rounds);
  }
}

void end_with_peer(int socket) {
  std::thread([socket] {
    pollfd peer = {socket, POLLRDHUP, 0};
    while (::poll(&peer, 1, -1) < 0 && errno == EINTR) {
    }
    ::_exit(1);
  }).detach();
}

int serve_target(TuningTarget& target, int socket) {
  std::string buffer, line;
  while (read_line(socket, -1, buffer, line) == ReadResult::kLine) {
    Json reply;
    try {
      reply = answer(target, Json::parse(line));
    } catch (const std::exception& error) {
      // Also of an Error that says the device is lost: a new process begins anew.
      write_all(socket, Json{{"lost", error.what()}}.dump() + "\n");
      return 1;
    }
    write_all(socket, reply.dump() + "\n");
  }
  return 0;
}

}  // namespace flashjit
